package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Wanted;

class InquiriesTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");
    private static final Wanted NEW = new Wanted(Set.of("pod"), Set.of("node"), "claim", Set.of(), false);
    private static final Wanted TOLD = new Wanted(Set.of("pod"), Set.of("node"), "claim", Set.of(), true);
    private static final Wanted NODES_ALONE = new Wanted(Set.of(), Set.of("node"), null, Set.of(), true);

    private final Inquiries inquiries = new Inquiries();

    private static LoraTraining resource(String name) {
        LoraTraining resource = new LoraTraining();
        resource.setMetadata(
                new ObjectMetaBuilder().withNamespace("default").withName(name).build());
        return resource;
    }

    @Test
    void whatStandsInTheStatusIsReadAgainAfterAWhileAlone() {
        LoraTraining resource = resource("style");

        assertThat(inquiries.due(resource, NEW, NOW)).isEqualTo(NEW);
        assertThat(inquiries.due(resource, TOLD, NOW.plusSeconds(1)))
                .as("it is confirmed before it is written")
                .isEqualTo(TOLD);
        assertThat(inquiries.due(resource, TOLD, NOW.plusSeconds(2))).isEqualTo(NODES_ALONE);
        assertThat(inquiries.due(resource, TOLD, NOW.plusSeconds(59))).isEqualTo(NODES_ALONE);
        assertThat(inquiries.due(resource, TOLD, NOW.plusSeconds(60))).isEqualTo(TOLD);
        assertThat(inquiries.due(resource, TOLD, NOW.plusSeconds(119))).isEqualTo(NODES_ALONE);
    }

    @Test
    void whatDoesNotStandThereIsReadAtOnce() {
        LoraTraining resource = resource("style");
        inquiries.due(resource, NEW, NOW);

        assertThat(inquiries.due(resource, NEW, NOW.plusSeconds(1))).isEqualTo(NEW);
    }

    @Test
    void aRestartReadsNothingThatStandsThereAndSpreadsWhatFollows() {
        int atHalfTime = 0;
        for (int i = 0; i < 500; i++) {
            LoraTraining resource = resource("style-" + i);
            assertThat(inquiries.due(resource, TOLD, NOW)).isEqualTo(NODES_ALONE);
            atHalfTime += inquiries.due(resource, TOLD, NOW.plusSeconds(30)).why() ? 1 : 0;
        }
        assertThat(atHalfTime).isBetween(150, 350);
        assertThat(inquiries.due(resource("style-1"), TOLD, NOW.plus(Duration.ofMinutes(2))))
                .isEqualTo(TOLD);
    }
}
