package training.lora.operator.tls;

import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * When a certificate is made, served and forgotten. The next one's authority is told to all namespaces an {@code overlap}
 * before it is served, in which kubelets bring it to running pods; the previous one's stays for an overlap after, in which
 * each replica takes the new one up.
 *
 * @param hosts names and addresses at which the operator is reached
 * @param life of a certificate
 * @param renewBefore the next one is made this long before the end
 * @param overlap the time in which two authorities are trusted, before and after the change
 */
record Rotation(List<String> hosts, Duration life, Duration renewBefore, Duration overlap) {
    Rotation {
        hosts = List.copyOf(hosts);
        if (renewBefore.compareTo(life) >= 0) {
            throw new IllegalArgumentException("`lora.tls.renew-before` must be less than lora.tls.life (%s), was %s"
                    .formatted(life, renewBefore));
        }
        if (overlap.compareTo(renewBefore) >= 0) {
            throw new IllegalArgumentException("`lora.tls.overlap` must be less than lora.tls.renew-before (%s), was %s"
                    .formatted(renewBefore, overlap));
        }
    }

    /** What should be in the place of {@code state}; the same if nothing is due. */
    TlsState step(@Nullable TlsState state, Instant now) {
        if (state == null) {
            return new TlsState(issue(now), null, null);
        }
        Credential current = state.current();
        if (!serves(current.certificate()) || end(current).isBefore(now)) {
            return new TlsState(issue(now), null, current.authority());
        }
        Credential next = state.next();
        if (next != null) {
            boolean told = !begin(next).plus(overlap).isAfter(now);
            return told ? new TlsState(next, null, current.authority()) : state;
        }
        if (state.previousAuthority() != null
                && !begin(current).plus(overlap.multipliedBy(2)).isAfter(now)) {
            return new TlsState(current, null, null);
        }
        if (!end(current).minus(renewBefore).isAfter(now)) {
            return new TlsState(current, issue(now), state.previousAuthority());
        }
        return state;
    }

    private Credential issue(Instant now) {
        return Issuer.issue(hosts, now, life);
    }

    private static Instant begin(Credential credential) {
        return credential.certificate().getNotBefore().toInstant().plus(Issuer.SKEW);
    }

    private static Instant end(Credential credential) {
        return credential.certificate().getNotAfter().toInstant();
    }

    /** Whether the certificate has all hosts: the operator's URL may have changed since. */
    private boolean serves(X509Certificate certificate) {
        try {
            Collection<List<?>> names = certificate.getSubjectAlternativeNames();
            Set<String> known = names == null
                    ? Set.of()
                    : names.stream().map(n -> String.valueOf(n.get(1))).collect(Collectors.toSet());
            return known.containsAll(hosts);
        } catch (CertificateParsingException e) {
            return false;
        }
    }
}
