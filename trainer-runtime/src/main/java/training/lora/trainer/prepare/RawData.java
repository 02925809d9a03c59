package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.MaskSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.source.Archive;

/**
 * All pictures of a run with their captions, as they came.
 *
 * @param items the pictures, a data set after the other
 * @param digests sha256 of each picture's file
 * @param digest sha256 over all that is trained on: pictures, captions with their concepts' words, roles and masks
 */
record RawData(List<RawDataset.Item> items, List<String> digests, String digest) {
    /**
     * Reads names, captions and digests; decodes nothing.
     *
     * @param unpacked where archives are unpacked to
     */
    static RawData read(RunContext context, Path unpacked, FileDigests files) throws IOException {
        LoraTrainingSpec spec = context.run().spec();
        List<RawDataset.Item> items = new ArrayList<>();
        for (int i = 0; i < spec.datasets().size(); i++) {
            DatasetSpec dataset = spec.datasets().get(i);
            Path folder = folder(context, i, unpacked);
            items.addAll(RawDataset.list(dataset, folder, wording(spec, dataset)));
        }
        List<String> digests = new ArrayList<>();
        for (RawDataset.Item item : items) {
            digests.add(files.of(item.file()));
        }
        return new RawData(
                List.copyOf(items),
                List.copyOf(digests),
                digest(items, digests, spec.preparation().mask().source(), files));
    }

    private static Path folder(RunContext context, int i, Path unpacked) throws IOException {
        DatasetSpec dataset = context.run().spec().datasets().get(i);
        String field = "spec.datasets[" + i + "].uri";
        Path path = context.sources().path(field, dataset.uri());
        if (Files.isRegularFile(path) && path.toString().endsWith(".zip")) {
            Path folder = unpacked.resolve(dataset.name());
            Files.createDirectories(folder);
            Archive.unzip(path, folder);
            return folder;
        }
        if (!Files.isDirectory(path)) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "`%s` %s must name a folder or a .zip file, but there is none at %s"
                            .formatted(field, dataset.uri(), path));
        }
        return path;
    }

    /** What calls the concept stands in every caption but those of what must not change. */
    private static UnaryOperator<String> wording(LoraTrainingSpec spec, DatasetSpec dataset) {
        String prefix = spec.preparation().captions().prefix();
        Concepts concepts = Concepts.of(spec.datasets());
        return dataset.role() == DatasetRole.Regularization
                ? UnaryOperator.identity()
                : text -> prefix + concepts.caption(dataset, text);
    }

    private static String digest(List<RawDataset.Item> items, List<String> digests, MaskSource masks, FileDigests files)
            throws IOException {
        StringBuilder all = new StringBuilder(masks == MaskSource.None ? "" : masks + "\n");
        for (int i = 0; i < items.size(); i++) {
            RawDataset.Item item = items.get(i);
            all.append(item.name()).append('\0').append(item.dataset().role()).append('\0');
            all.append(digests.get(i)).append('\0');
            all.append(item.caption()).append('\n');
            if (masks == MaskSource.Files && item.mask() != null) {
                all.append(files.of(item.mask())).append('\n');
            }
        }
        return Sha256.of(all.toString());
    }
}
