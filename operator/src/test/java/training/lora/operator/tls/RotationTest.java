package training.lora.operator.tls;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

final class RotationTest {
    private static final Duration LIFE = Duration.ofDays(90);
    private static final Duration RENEW_BEFORE = Duration.ofDays(30);
    private static final Duration OVERLAP = Duration.ofHours(1);
    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");
    private static final Instant DUE = START.plus(LIFE).minus(RENEW_BEFORE);

    private final Rotation rotation = rotation("lora-operator.lora-system.svc");

    private static Rotation rotation(String... hosts) {
        return new Rotation(List.of(hosts), LIFE, RENEW_BEFORE, OVERLAP);
    }

    @Test
    void theNextAuthorityIsToldBeforeItIsServedAndTheLastOneStaysForAWhile() {
        TlsState first = rotation.step(null, START);
        assertThat(rotation.step(first, DUE.minusSeconds(1))).isEqualTo(first);

        TlsState told = rotation.step(first, DUE);
        Credential next = requireNonNull(told.next());
        assertThat(told.current()).isEqualTo(first.current());
        assertThat(told.authorities()).isEqualTo(first.current().authority() + next.authority());
        assertThat(rotation.step(told, DUE.plus(OVERLAP).minusSeconds(1))).isEqualTo(told);

        TlsState served = rotation.step(told, DUE.plus(OVERLAP));
        assertThat(served.current()).isEqualTo(next);
        assertThat(served.next()).isNull();
        assertThat(served.authorities()).isEqualTo(told.authorities());
        assertThat(rotation.step(served, DUE.plus(OVERLAP.multipliedBy(2)).minusSeconds(1)))
                .isEqualTo(served);

        TlsState over = rotation.step(served, DUE.plus(OVERLAP.multipliedBy(2)));
        assertThat(over).isEqualTo(new TlsState(next, null, null));
    }

    @Test
    void anExpiredCertificateOrOneForAnotherHostIsReplacedAtOnce() {
        TlsState first = rotation.step(null, START);

        TlsState late = rotation.step(first, START.plus(LIFE).plusSeconds(1));
        TlsState moved = rotation("10.0.0.1").step(first, START);

        assertThat(late.current()).isNotEqualTo(first.current());
        assertThat(late.previousAuthority()).isEqualTo(first.current().authority());
        assertThat(moved.current()).isNotEqualTo(first.current());
        assertThat(rotation("10.0.0.1").step(moved, START)).isEqualTo(moved);
    }

    @Test
    void theSecretHoldsAllOfIt() {
        TlsState state = rotation.step(rotation.step(null, START), DUE);
        TlsState last = rotation.step(state, DUE.plus(OVERLAP));

        assertThat(TlsState.of(state.data())).isEqualTo(state);
        assertThat(TlsState.of(last.data())).isEqualTo(last);
        assertThat(TlsState.of(null)).isNull();
        assertThat(last.data()).containsOnlyKeys("tls.crt", "tls.key", "ca.crt", "previous.ca.crt");
        assertThat(last.toString()).doesNotContain("PRIVATE");
    }

    @Test
    void timesFitIntoEachOther() {
        assertThatThrownBy(() -> new Rotation(List.of("a"), OVERLAP, RENEW_BEFORE, OVERLAP))
                .hasMessage("`lora.tls.renew-before` must be less than lora.tls.life (PT1H), was PT720H");
        assertThatThrownBy(() -> new Rotation(List.of("a"), LIFE, OVERLAP, OVERLAP))
                .hasMessage("`lora.tls.overlap` must be less than lora.tls.renew-before (PT1H), was PT1H");
    }
}
