package training.lora.trainer.http;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.function.Function;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Whom servers are vouched for by: the JVM's authorities, and those of LORA_CA_BUNDLE, a PEM file, beside them. */
public final class TrustedAuthorities {
    private static final Logger LOG = LoggerFactory.getLogger(TrustedAuthorities.class);

    private static final String BUNDLE = "LORA_CA_BUNDLE";

    private TrustedAuthorities() {}

    /** Trust managers of both. */
    public static TrustManager[] managers(Function<String, @Nullable String> environment) {
        String bundle = environment.apply(BUNDLE);
        try {
            TrustManagerFactory own = factory(null);
            if (bundle == null || bundle.isBlank()) {
                return own.getTrustManagers();
            }
            KeyStore all = KeyStore.getInstance(KeyStore.getDefaultType());
            all.load(null, null);
            int count = 0;
            for (TrustManager manager : own.getTrustManagers()) {
                if (manager instanceof X509TrustManager x509) {
                    for (X509Certificate authority : x509.getAcceptedIssuers()) {
                        all.setCertificateEntry("own-" + count++, authority);
                    }
                }
            }
            add(Path.of(bundle), all);
            return factory(all).getTrustManagers();
        } catch (GeneralSecurityException | IOException e) {
            throw new IllegalStateException("this JVM's certificates can't be read", e);
        }
    }

    /** A context for clients. */
    static SSLContext context(Function<String, @Nullable String> environment) {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, managers(environment), null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this JVM has no TLS", e);
        }
    }

    private static TrustManagerFactory factory(@Nullable KeyStore store) throws GeneralSecurityException {
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory;
    }

    private static void add(Path bundle, KeyStore store) throws GeneralSecurityException {
        int count = 0;
        try {
            byte[] content = Files.readAllBytes(bundle);
            if (saysNone(content)) {
                LOG.warn("{} names {}, which has no certificates: only this JVM's count", BUNDLE, bundle);
                return;
            }
            InputStream pem = new ByteArrayInputStream(content);
            for (Certificate authority : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
                store.setCertificateEntry("bundle-" + count++, authority);
            }
        } catch (IOException | java.security.cert.CertificateException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must name a file of certificates in PEM, but %s can't be read: %s"
                            .formatted(BUNDLE, bundle, e.getMessage()),
                    e);
        }
        if (count == 0) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must name a file of certificates in PEM, but %s has none".formatted(BUNDLE, bundle));
        }
    }

    /** Whether it is a comment alone, by which an operator says that it has none. */
    private static boolean saysNone(byte[] content) {
        String text = new String(content, StandardCharsets.ISO_8859_1);
        return text.startsWith("#") && text.lines().allMatch(line -> line.isBlank() || line.startsWith("#"));
    }
}
