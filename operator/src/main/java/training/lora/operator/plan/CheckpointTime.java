package training.lora.operator.plan;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Progress;

/** What a pod's annotation says of the newest checkpoint, so that whoever has to evict one knows what that would cost. */
public final class CheckpointTime {
    private CheckpointTime() {}

    /** What the annotation is to be; null: nothing is to be written. */
    public static @Nullable String due(LoraTraining resource, RunPod pod) {
        LoraTrainingStatus status = resource.getStatus();
        Progress progress = status == null ? null : status.progress();
        ContainerView trainer = pod.trainer();
        if (progress == null || progress.saved() == null || trainer == null || !trainer.running()) {
            return null;
        }
        String job = Names.job(resource.getMetadata().getName(), progress.stage(), progress.attempt());
        String time = progress.saved().time();
        boolean itsOwn = job.equals(pod.jobName()) && Objects.equals(status.runId(), pod.runId());
        boolean said = time.equals(pod.annotations().get(Names.CHECKPOINT_TIME));
        return itsOwn && !said && pod.deletionTime() == null ? time : null;
    }
}
