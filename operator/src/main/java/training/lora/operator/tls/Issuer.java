package training.lora.operator.tls;

import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;

/**
 * Makes certificates for a server (RFC 5280). Each is signed by an authority of its own, whose key is forgotten at once:
 * nobody can make another certificate that trainers would trust.
 */
final class Issuer {
    /** Clocks may differ by this much. */
    static final Duration SKEW = Duration.ofHours(1);

    private static final byte[] ECDSA_WITH_SHA256 = Der.sequence(Der.oid("1.2.840.10045.4.3.2"));
    private static final byte[] VERSION_3 = Der.tagged(0, Der.integer(BigInteger.TWO));
    private static final String COMMON_NAME = "2.5.4.3";
    private static final String KEY_USAGE = "2.5.29.15";
    private static final String SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";
    private static final String BASIC_CONSTRAINTS = "2.5.29.19";
    private static final String EXTENDED_KEY_USAGE = "2.5.29.37";
    private static final String SERVER_AUTHENTICATION = "1.3.6.1.5.5.7.3.1";
    private static final int DNS_NAME = 2;
    private static final int IP_ADDRESS = 7;

    /** An authority of servers alone: none below it. */
    private static final byte[] AUTHORITYS = Der.tagged(
            3,
            Der.sequence(
                    critical(BASIC_CONSTRAINTS, Der.sequence(Der.yes(), Der.integer(BigInteger.ZERO))),
                    // keyCertSign, bit 5
                    critical(KEY_USAGE, Der.bits(new byte[] {0x04}, 2))));

    private static final SecureRandom RANDOM = new SecureRandom();

    private Issuer() {}

    /** Who a certificate is of, or who has signed it. */
    private record Party(byte[] name, KeyPair key) {
        static Party of(String commonName) throws GeneralSecurityException {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec("secp256r1"), RANDOM);
            byte[] name = Der.sequence(Der.set(Der.sequence(Der.oid(COMMON_NAME), Der.text(commonName))));
            return new Party(name, generator.generateKeyPair());
        }

        PublicKey publicKey() {
            return key.getPublic();
        }

        PrivateKey privateKey() {
            return key.getPrivate();
        }
    }

    static Credential issue(List<String> hosts, Instant now, Duration life) {
        try {
            // A name of its own, since clients find an authority by its name, and two may be trusted at a time.
            Party authority = Party.of("lora-operator-ca-" + new BigInteger(64, RANDOM).toString(16));
            Party server = Party.of("lora-operator");
            byte[] validity = Der.sequence(Der.time(now.minus(SKEW)), Der.time(now.plus(life)));
            return new Credential(
                    pem("CERTIFICATE", certificate(server, authority, validity, servers(hosts))),
                    pem("PRIVATE KEY", server.privateKey().getEncoded()),
                    pem("CERTIFICATE", certificate(authority, authority, validity, AUTHORITYS)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("a certificate can't be made by this JVM", e);
        }
    }

    private static byte[] certificate(Party of, Party by, byte[] validity, byte[] extensions)
            throws GeneralSecurityException {
        byte[] content = Der.sequence(
                VERSION_3,
                Der.integer(new BigInteger(127, RANDOM).setBit(126)),
                ECDSA_WITH_SHA256,
                by.name(),
                validity,
                of.name(),
                // A public key's encoding is the certificate's own.
                of.publicKey().getEncoded(),
                extensions);
        Signature signature = Signature.getInstance("SHA256withECDSA");
        signature.initSign(by.privateKey(), RANDOM);
        signature.update(content);
        return Der.sequence(content, ECDSA_WITH_SHA256, Der.bits(signature.sign(), 0));
    }

    private static byte[] servers(List<String> hosts) {
        byte[][] names = hosts.stream().map(Issuer::name).toArray(byte[][]::new);
        return Der.tagged(
                3,
                Der.sequence(
                        critical(BASIC_CONSTRAINTS, Der.sequence()),
                        // digitalSignature, bit 0
                        critical(KEY_USAGE, Der.bits(new byte[] {(byte) 0x80}, 7)),
                        extension(EXTENDED_KEY_USAGE, Der.sequence(Der.oid(SERVER_AUTHENTICATION))),
                        extension(SUBJECT_ALTERNATIVE_NAME, Der.sequence(names))));
    }

    private static byte[] critical(String oid, byte[] value) {
        return Der.sequence(Der.oid(oid), Der.yes(), Der.octets(value));
    }

    private static byte[] extension(String oid, byte[] value) {
        return Der.sequence(Der.oid(oid), Der.octets(value));
    }

    private static byte[] name(String host) {
        if (host.contains(":") || host.matches("[0-9.]+")) {
            try {
                // It is an address, so nobody is asked.
                return Der.implicit(IP_ADDRESS, InetAddress.getByName(host).getAddress());
            } catch (UnknownHostException e) {
                throw new UncheckedIOException(e);
            }
        }
        return Der.implicit(DNS_NAME, host.getBytes(StandardCharsets.US_ASCII));
    }

    private static String pem(String what, byte[] content) {
        return "-----BEGIN %1$s-----\n%2$s\n-----END %1$s-----\n"
                .formatted(what, Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content));
    }
}
