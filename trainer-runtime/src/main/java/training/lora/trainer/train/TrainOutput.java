package training.lora.trainer.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Artifact;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.publish.PublisherStateBuilder;
import training.lora.trainer.run.ProcessMemory;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.train.progress.LossChart;
import training.lora.trainer.train.progress.StageClock;
import training.lora.trainer.train.progress.StageClock.Phase;
import training.lora.trainer.trained.CheckpointFiles;
import training.lora.trainer.trained.LossLog;
import training.lora.trainer.trained.SamplePictures;
import training.lora.trainer.trained.TrainSummary;

/** Publishes what a training came to, and writes down where its time went. */
final class TrainOutput {
    private static final Logger LOG = LoggerFactory.getLogger(TrainOutput.class);

    private final RunContext context;
    private final Path folder;

    TrainOutput(RunContext context) {
        this.context = context;
        this.folder = context.workspace().train();
    }

    /**
     * Publishes the newest checkpoint, which stands first until an evaluation finds the best one.
     *
     * @param summary what the training came to, with at least one checkpoint
     * @param drawn whether pictures were drawn on the way
     * @return main files, uri relative to the workspace
     */
    List<Artifact> publish(
            TrainSummary summary, DatasetManifest data, LossLog losses, SamplePictures pictures, boolean drawn)
            throws IOException {
        List<Checkpoint> kept = summary.checkpoints();
        Map<String, Path> files = new LinkedHashMap<>();
        files.put(LossLog.FILE, folder.resolve(LossLog.FILE));
        files.put("loss.png", folder.resolve("loss.png"));
        LossChart.draw(
                        losses.lines(),
                        summary.validationLoss() == null
                                ? null
                                : summary.validationLoss().before(),
                        context.run().owner().name() + ": training loss")
                .write(files.get("loss.png"));
        if (drawn) {
            files.put("samples.png", folder.resolve("samples.png"));
            pictures.writeGrid(files.get("samples.png"), kept, null);
        }
        Publisher.State state = PublisherStateBuilder.builder()
                .finished(!context.run().spec().evaluation().enabled())
                .model(data.model())
                .inputs(data.inputs())
                .best(kept.get(kept.size() - 1))
                .checkpoints(kept)
                .device(summary.device())
                .stoppedEarly(summary.stoppedEarly())
                .build();
        return new Publisher(context).publish(state, CheckpointFiles.folder(folder), files);
    }

    /** Writes timing.json. */
    void writeTiming(StageClock clock, double secondsPerStep) throws IOException {
        Map<String, Object> timing = new LinkedHashMap<>();
        for (Phase phase : clock.phases()) {
            timing.put(phase.name().toLowerCase(Locale.ROOT) + "Seconds", clock.seconds(phase));
        }
        timing.put("shareInStepsAndSamples", clock.usefulShare());
        timing.put("secondsPerStep", secondsPerStep);
        timing.put("peakResidentBytes", ProcessMemory.peakResidentBytes());
        WholeFile.write(folder.resolve("timing.json"), temporary -> Json.PRETTY.writeValue(temporary.toFile(), timing));
        LOG.info(
                "time: {}; {}% of the time after loading in steps and samples; peak memory {} MB",
                clock, Math.round(100 * clock.usefulShare()), ProcessMemory.peakResidentBytes() / 1_000_000);
    }
}
