package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;
import org.junit.jupiter.api.Test;
import training.lora.api.Outcome;
import training.lora.api.Reason;

/** A spec that is made invalid, by whoever it is, ends no run that has started. */
final class InvalidSpecTest {
    /** Unless the platform allows the field. */
    private static final String INVALID =
            "'runtime':{'stages':[{'name':'Train','podTemplate':{'spec':{'hostNetwork':true}}}]}";

    @Test
    void anInvalidSpecLeavesAStartedAttemptRunningAndKeepsTheNextFromBeginning() throws Exception {
        Scene scene = Scene.prepared("");
        scene.plan();
        scene.runs("style-train-1");
        scene.plan();
        scene.corrected(INVALID).after(1);
        assertThat(scene.stage().outcome()).isNull();
        assertThat(scene.deleted()).isEmpty();
        assertThat(scene.condition("Failed").getStatus()).isEqualTo("False");
        assertThat(scene.condition("Stalled").getReason()).isEqualTo("InvalidConfiguration");
        assertThat(scene.condition("Stalled").getMessage())
                .contains("hostNetwork")
                .endsWith("; Train, attempt 1, goes on as it was begun, and no other begins until this is corrected");
        assertThat(scene.events()).containsExactly("InvalidConfiguration");
        scene.after(60);
        assertThat(scene.done).isEmpty();

        scene.ended("style-train-1", 60, 0, Resources.succeeded("Train", 1));
        scene.plan();
        assertThat(scene.status().stages().get(1).outcome()).isEqualTo(Outcome.Succeeded);
        assertThat(scene.created()).isEmpty();
        assertThat(scene.condition("Stalled").getStatus()).isEqualTo("True");
        assertThat(scene.status().phase()).isEqualTo("Evaluate");

        scene.corrected("").after(1);
        assertThat(scene.created()).containsExactly("style-evaluate-1");
        assertThat(scene.condition("Stalled").getStatus()).isEqualTo("False");
    }

    @Test
    void whatAPlatformNoLongerAllowsEndsNoRunThatHasStarted() throws Exception {
        Scene scene = Scene.prepared(INVALID);
        PodSettings allowed = PodSettingsBuilder.builder(PodSettings.NONE)
                .allowedPodFields(Set.of("hostNetwork"))
                .build();
        Settings before = scene.settings;
        scene.settings = Scene.settings("trainer:1", allowed);
        scene.plan();
        scene.runs("style-train-1");
        scene.plan();

        scene.settings = before;
        scene.after(1);
        assertThat(scene.stage().outcome()).isNull();
        scene.ended("style-train-1", 60, 20, null);
        scene.plan();
        scene.condition("style-train-1", "Failed", "BackoffLimitExceeded", "");
        scene.after(60);
        assertThat(scene.created()).isEmpty();
        assertThat(scene.condition("Stalled").getReason()).isEqualTo("InvalidConfiguration");
        assertThat(scene.stage().failures()).isEqualTo(1);
    }

    @Test
    void anInvalidSpecEndsAnAttemptOfARunThatHasNotStarted() throws Exception {
        Scene scene = Scene.of("");
        scene.plan();
        scene.suspend("style-prepare-1", true);
        scene.corrected(INVALID).after(1);

        assertThat(scene.stage().reason()).isEqualTo(Reason.Superseded);
        assertThat(scene.deleted()).containsExactly("style-prepare-1");
        assertThat(scene.condition("Failed").getReason()).isEqualTo("InvalidConfiguration");

        scene.corrected("").after(1);
        assertThat(scene.created()).containsExactly("style-prepare-2");
    }
}
