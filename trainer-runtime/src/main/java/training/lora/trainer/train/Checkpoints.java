package training.lora.trainer.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import training.lora.api.AdapterFormat;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Metric;
import training.lora.api.Proof;
import training.lora.api.RunSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.export.ComfyWorkflow;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.ExportProof;
import training.lora.trainer.export.Exports;
import training.lora.trainer.files.Folders;
import training.lora.trainer.publish.Publisher;

/** The adapter at some steps, each in every form that was asked for; the newest are kept. */
public final class Checkpoints {
    private final RunSpec run;
    private final Path folder;
    private final ExportMetadata metadata;
    private final ExportProof proof;
    private final ComfyWorkflow workflow;
    private final List<Checkpoint> kept = new ArrayList<>();

    /**
     * @param train the train stage's folder
     * @param metadata what files say of themselves
     * @param proof of what files do
     * @param workflow that goes beside kohya's form
     */
    Checkpoints(RunSpec run, Path train, ExportMetadata metadata, ExportProof proof, ComfyWorkflow workflow) {
        this.run = run;
        this.folder = folder(train);
        this.metadata = metadata;
        this.proof = proof;
        this.workflow = workflow;
    }

    /** Goes back to when {@code checkpoints} were kept: all else in the folder is deleted. */
    void restore(List<Checkpoint> checkpoints) throws IOException {
        Files.createDirectories(folder);
        kept.clear();
        List<Path> wanted = new ArrayList<>();
        for (Checkpoint checkpoint : checkpoints) {
            Path path = folder.resolve(Publisher.folderName(checkpoint.step()));
            if (Files.isDirectory(path)) {
                kept.add(checkpoint);
                wanted.add(path);
            }
        }
        try (Stream<Path> all = Files.list(folder)) {
            for (Path path : all.filter(p -> !wanted.contains(p)).toList()) {
                Folders.delete(path);
            }
        }
    }

    /** The folder of all checkpoints. */
    public static Path folder(Path train) {
        return train.resolve("checkpoints");
    }

    /** The file that an adapter is read back from: kohya's form where it was asked for. */
    public static Path adapterFile(RunSpec run, Path train, int step) {
        String name = run.spec().output().formats().contains(AdapterFormat.Kohya)
                ? Publisher.kohyaName(run)
                : Publisher.DIFFUSERS;
        return folder(train).resolve(Publisher.folderName(step)).resolve(name);
    }

    /** Writes a checkpoint and proves its files; it stands under its name only when it is whole, and nothing is left of one that fails. */
    Checkpoint write(int step, LoraAdapter adapter, List<Metric> metrics) throws IOException {
        String name = Publisher.folderName(step);
        Path temporary = folder.resolve("." + name + ".tmp");
        try {
            ExportMetadata described = metadata.with(Map.of("ss_steps", Integer.toString(step)));
            List<Proof> proofs = new ArrayList<>();
            for (AdapterFormat format : run.spec().output().formats()) {
                String file = format == AdapterFormat.Kohya ? Publisher.kohyaName(run) : Publisher.DIFFUSERS;
                Exports.write(temporary.resolve(file), format, adapter, described);
                proofs.add(proof.prove(temporary, file, adapter));
                if (format == AdapterFormat.Kohya) {
                    workflow.write(temporary.resolve(Publisher.WORKFLOW));
                }
            }
            Json.PRETTY.writeValue(temporary.resolve(Publisher.PROOF).toFile(), proofs);
            Files.move(temporary, folder.resolve(name), StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Folders.delete(temporary);
        }
        Checkpoint checkpoint = new Checkpoint(step, metrics);
        kept.add(checkpoint);
        while (kept.size() > run.spec().training().checkpoints().keep()) {
            Folders.delete(folder.resolve(Publisher.folderName(kept.remove(0).step())));
        }
        return checkpoint;
    }

    /** Those that are kept, oldest first. */
    List<Checkpoint> kept() {
        return List.copyOf(kept);
    }
}
