package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;

final class SetbacksTest {
    private static final RuntimeException FAILURE = new KubernetesClientException("timeout");

    private final Setbacks setbacks = new Setbacks();

    @Test
    void theDelayDoublesToAMinuteAndBeginsAnewAfterASuccess() {
        assertThat(Stream.generate(() -> seconds("uid-1")).limit(8))
                .containsExactly(1L, 2L, 4L, 8L, 16L, 32L, 60L, 60L);

        setbacks.over(style("uid-1"));

        assertThat(seconds("uid-1")).isEqualTo(1);
    }

    @Test
    void aResourceThatIsMadeAgainHasNotFailedYet() {
        Stream.generate(() -> seconds("uid-1")).limit(5).forEach(s -> {});

        assertThat(seconds("uid-2")).isEqualTo(1);
    }

    @Test
    void whatIsGoneIsForgottenInTheEnd() {
        Setbacks few = new Setbacks(3);
        for (int i = 0; i < 8; i++) {
            few.after(style("uid-" + i), FAILURE);
            few.after(style("uid-of-one-that-is-there"), FAILURE);
        }

        assertThat(few.size()).isEqualTo(3);
        assertThat(few.after(style("uid-of-one-that-is-there"), FAILURE)).isEqualTo(Duration.ofMinutes(1));
    }

    private long seconds(String uid) {
        Duration delay = setbacks.after(style(uid), FAILURE);
        return delay.toSeconds();
    }

    private static LoraTraining style(String uid) {
        LoraTraining style = new LoraTraining();
        style.setMetadata(new ObjectMetaBuilder()
                .withNamespace("default")
                .withName("style")
                .withUid(uid)
                .build());
        return style;
    }
}
