package training.lora.operator.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IssuerTest {
    private static final List<String> HOSTS = List.of(
            "lora-operator.lora-system.svc", "127.0.0.1", "fd00::1", "a." + "long-label-of-a-host.".repeat(9) + "svc");

    private static Credential issue(String now) {
        return Issuer.issue(HOSTS, Instant.parse(now), Duration.ofDays(90));
    }

    private static X509Certificate authority(Credential credential) {
        return Credential.certificates(credential.authority()).get(0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"2026-11-28T12:30:00Z", "2049-12-30T00:00:00Z", "2051-01-01T00:00:00Z"})
    void aServersCertificateIsValidByItsAuthorityForItsTimeAlone(String now) throws Exception {
        Credential credential = issue(now);

        X509Certificate server = credential.certificate();
        assertThat(server.getNotBefore()).isEqualTo(Instant.parse(now).minus(Issuer.SKEW));
        assertThat(server.getNotAfter()).isEqualTo(Instant.parse(now).plus(Duration.ofDays(90)));
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(authority(credential), null)));
        parameters.setRevocationEnabled(false);
        parameters.setDate(Date.from(Instant.parse(now)));
        var path = CertificateFactory.getInstance("X.509").generateCertPath(credential.certificates());
        assertThatCode(() -> CertPathValidator.getInstance("PKIX").validate(path, parameters))
                .doesNotThrowAnyException();
    }

    @Test
    void aServersCertificateIsForItsHostsAndGoodForNothingElse() throws Exception {
        X509Certificate server = issue("2026-11-28T12:30:00Z").certificate();

        assertThat(server.getVersion()).isEqualTo(3);
        assertThat(server.getSerialNumber().signum()).isEqualTo(1);
        assertThat(server.getSubjectX500Principal().getName()).isEqualTo("CN=lora-operator");
        assertThat(server.getSubjectAlternativeNames())
                .containsExactlyInAnyOrder(
                        List.of(2, HOSTS.get(0)),
                        List.of(7, "127.0.0.1"),
                        List.of(7, "fd00:0:0:0:0:0:0:1"),
                        List.of(2, HOSTS.get(3)));
        assertThat(server.getBasicConstraints()).isEqualTo(-1);
        assertThat(server.getKeyUsage()).startsWith(true).containsOnlyOnce(true);
        assertThat(server.getExtendedKeyUsage()).containsExactly("1.3.6.1.5.5.7.3.1");
        assertThat(server.getCriticalExtensionOIDs()).containsExactlyInAnyOrder("2.5.29.15", "2.5.29.19");
    }

    @Test
    void anAuthoritySignsServersAloneAndHasANameOfItsOwn() {
        X509Certificate one = authority(issue("2026-11-28T12:30:00Z"));
        X509Certificate other = authority(issue("2026-11-28T12:30:00Z"));

        assertThat(one.getBasicConstraints()).isZero();
        assertThat(one.getKeyUsage()[5]).isTrue();
        assertThat(one.getKeyUsage()).containsOnlyOnce(true);
        assertThat(one.getSubjectX500Principal()).isEqualTo(one.getIssuerX500Principal());
        assertThat(one.getSubjectX500Principal()).isNotEqualTo(other.getSubjectX500Principal());
    }
}
