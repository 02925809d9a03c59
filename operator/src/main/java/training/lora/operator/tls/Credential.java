package training.lora.operator.tls;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.List;

/**
 * A certificate, its key and who vouches for it, as PEM.
 *
 * @param chain the server's certificate, and those between it and the authority if there are any
 * @param key the key, as PKCS#8
 * @param authority what clients trust
 */
record Credential(String chain, String key, String authority) {
    /** The server's certificate first. */
    List<X509Certificate> certificates() {
        return certificates(chain);
    }

    X509Certificate certificate() {
        return certificates().get(0);
    }

    static List<X509Certificate> certificates(String pem) {
        try {
            Collection<X509Certificate> found = CertificateFactory.getInstance("X.509")
                    .generateCertificates(new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII)))
                    .stream()
                    .map(X509Certificate.class::cast)
                    .toList();
            if (found.isEmpty()) {
                throw new IllegalArgumentException("there must be a certificate in PEM, there was none");
            }
            return List.copyOf(found);
        } catch (CertificateException e) {
            throw new IllegalArgumentException("the certificates must be X.509 in PEM: " + e.getMessage(), e);
        }
    }

    PrivateKey privateKey() {
        String algorithm = certificate().getPublicKey().getAlgorithm();
        String begin = "-----BEGIN PRIVATE KEY-----";
        int start = key.indexOf(begin);
        if (start < 0) {
            throw new IllegalArgumentException("the key must be PKCS#8 in PEM (" + begin + ")");
        }
        String body = key.substring(start + begin.length(), key.indexOf("-----END", start));
        try {
            return KeyFactory.getInstance(algorithm)
                    .generatePrivate(
                            new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(body)));
        } catch (GeneralSecurityException e) {
            throw new IllegalArgumentException("the key must be the certificate's, of " + algorithm, e);
        }
    }

    /** Does not show the key. */
    @Override
    public String toString() {
        return "certificate " + certificate().getSerialNumber().toString(16);
    }
}
