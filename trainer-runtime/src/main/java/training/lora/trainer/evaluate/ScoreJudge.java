package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.util.List;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.text.Clip;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.trained.CheckpointJudge;

/** Measures checkpoints while they are trained, by the pictures that the evaluation shows afterwards. */
public final class ScoreJudge implements CheckpointJudge {
    private final Clip clip;
    private final CheckpointMeter meter;
    private final String digest;
    private @Nullable Measured base;

    private ScoreJudge(Clip clip, CheckpointMeter meter, String digest) {
        this.clip = clip;
        this.meter = meter;
        this.digest = digest;
    }

    /** A judge where the run may stop early; else null. */
    public static @Nullable CheckpointJudge open(
            RunContext context, PreparedDataset data, StableDiffusion model, NDManager manager) throws IOException {
        if (context.run().spec().evaluation().earlyStop() == null) {
            return null;
        }
        String digest;
        try (FileDigests digests = context.workspace().digests()) {
            digest = context.clipDigest(digests);
        }
        Clip clip = Clip.open(context.clip(), manager);
        CheckpointMeter meter = new CheckpointMeter(context, data, model, clip, manager);
        meter.embedPrompts();
        return new ScoreJudge(clip, meter, digest);
    }

    @Override
    public Checkpoint measure(Checkpoint checkpoint, IntConsumer drew) throws IOException {
        CheckpointMeter.Progress progress = new CheckpointMeter.Progress() {
            @Override
            public void found(int more) {
                // As good as drawn.
            }

            @Override
            public void drew(int more) {
                drew.accept(more);
            }
        };
        if (base == null) {
            base = meter.measure(new Checkpoint(0, List.of()), null, progress);
        }
        return meter.measure(checkpoint, base, progress).checkpoint();
    }

    @Override
    public String digest() {
        return digest;
    }

    @Override
    public void close() {
        clip.close();
    }
}
