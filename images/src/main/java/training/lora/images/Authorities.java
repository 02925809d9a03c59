package training.lora.images;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.List;

/** Certificates of authorities. */
final class Authorities {
    private final List<Path> files;

    private Authorities(List<Path> files) {
        this.files = files;
    }

    static Authorities of(DebianPackage certificates) {
        return new Authorities(certificates.files().stream()
                .filter(file -> file.startsWith("/usr/share/ca-certificates")
                        && file.toString().endsWith(".crt"))
                .sorted()
                .toList());
    }

    /** One after the other, for programs other than Java's. */
    String pem() throws IOException {
        StringBuilder all = new StringBuilder();
        for (Path file : files) {
            all.append(Files.readString(file).strip()).append('\n');
        }
        return all.toString();
    }

    /** Java's form. Without a password there is no salt in it, so that the same certificates are the same bytes. */
    InputStream keyStore() throws IOException {
        System.setProperty("keystore.pkcs12.certProtectionAlgorithm", "NONE");
        System.setProperty("keystore.pkcs12.macAlgorithm", "NONE");
        try {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            CertificateFactory x509 = CertificateFactory.getInstance("X.509");
            for (Path file : files) {
                try (InputStream in = Files.newInputStream(file)) {
                    store.setCertificateEntry(file.getFileName().toString(), x509.generateCertificate(in));
                }
            }
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            store.store(bytes, null);
            return new ByteArrayInputStream(bytes.toByteArray());
        } catch (GeneralSecurityException e) {
            throw new IOException("the certificates of ca-certificates must be readable", e);
        }
    }
}
