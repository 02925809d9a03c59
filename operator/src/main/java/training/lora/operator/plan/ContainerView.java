package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.ContainerState;
import io.fabric8.kubernetes.api.model.ContainerStateTerminated;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What the plan knows of a pod's container.
 *
 * @param name the container's
 * @param init whether it is one of the init containers, which run before the others or beside them
 * @param waitingReason why it does not run yet, for example ImagePullBackOff; null: it is not waiting
 * @param message of the waiting or terminated state
 * @param exitCode of the terminated state; null: it has not ended
 * @param endReason of the terminated state, for example OOMKilled
 * @param startedAt when it began to run; null: it never ran
 * @param finishedAt when it ended
 */
@RecordBuilder
public record ContainerView(
        String name,
        boolean init,
        @Nullable String waitingReason,
        @Nullable String message,
        @Nullable Integer exitCode,
        @Nullable String endReason,
        @Nullable Instant startedAt,
        @Nullable Instant finishedAt) {

    static ContainerView of(ContainerStatus status, boolean init) {
        ContainerViewBuilder view =
                ContainerViewBuilder.builder().name(status.getName()).init(init).builder();
        ContainerState state = status.getState();
        if (state == null) {
            return view.build();
        }
        if (state.getWaiting() != null) {
            view.waitingReason(state.getWaiting().getReason())
                    .message(state.getWaiting().getMessage());
        } else if (state.getRunning() != null) {
            view.startedAt(Times.parse(state.getRunning().getStartedAt()));
        }
        ContainerStateTerminated ended = state.getTerminated();
        if (ended != null) {
            view.exitCode(ended.getExitCode() == null ? 0 : ended.getExitCode())
                    .endReason(ended.getReason())
                    .message(ended.getMessage())
                    .startedAt(Times.parse(ended.getStartedAt()))
                    .finishedAt(Times.parse(ended.getFinishedAt()));
        }
        return view.build();
    }

    /** Whether its process has ended. */
    boolean ended() {
        return exitCode != null;
    }

    /** Whether its process runs now, as far as is known. */
    boolean running() {
        return exitCode == null && startedAt != null;
    }
}
