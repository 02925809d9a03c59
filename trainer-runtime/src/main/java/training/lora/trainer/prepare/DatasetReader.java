package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.picture.FileBytes;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.PictureFormat;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.source.Archive;
import training.lora.trainer.source.Source;

/** Finds the pictures and captions of all data sets: in folders, and in archives, which are unpacked. */
final class DatasetReader {
    private final RunContext context;
    private final LoraTrainingSpec spec;
    private final Path unpacked;
    private final Consumer<String> notes;

    /**
     * A reader.
     *
     * @param unpacked folder for what archives hold; files stay there as long as items are read
     * @param notes takes what people should know, a sentence each
     */
    DatasetReader(RunContext context, Path unpacked, Consumer<String> notes) {
        this.context = context;
        this.spec = context.run().spec();
        this.unpacked = unpacked;
        this.notes = notes;
    }

    List<Item> read() throws IOException {
        List<Item> items = new ArrayList<>();
        CaptionRules rules = new CaptionRules(spec);
        for (int i = 0; i < spec.datasets().size(); i++) {
            DatasetSpec dataset = spec.datasets().get(i);
            RawDataset.Listed listed =
                    RawDataset.list(dataset, content(context.named().datasets().get(i), dataset), rules);
            if (listed.leftOut() != null) {
                notes.accept(listed.leftOut());
            }
            items.addAll(listed.items());
        }
        return items;
    }

    private DataFolder.Content content(Source source, DatasetSpec dataset) throws IOException {
        Path path = context.sources().path(source);
        Path volume = context.sources().volume(source);
        if (Files.isDirectory(path)) {
            return DataFolder.list(path, volume, ownFolders());
        }
        if (!Files.isRegularFile(path)) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "`%s` %s must name a folder or an archive (.zip, .tar, .tar.gz), but there is none at %s"
                            .formatted(source.field(), source.shown(), path));
        }
        if (volume != null && !path.toRealPath().startsWith(volume.toRealPath())) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "`%s` %s must lie in its volume, but is a link that leads out of it"
                            .formatted(source.field(), source.shown()));
        }
        try (FileBytes bytes = FileBytes.open(path)) {
            PictureFormat picture = PictureFormat.of(bytes);
            if (picture != null) {
                throw new TrainerException(
                        Reason.InvalidData,
                        "`%s` must name a folder of pictures or an archive of them (.zip, .tar, .tar.gz), but %s is a single picture (%s)"
                                .formatted(source.field(), source.shown(), picture.label()));
            }
        }
        Path target = unpacked.resolve(dataset.name());
        Files.createDirectories(target);
        Archive.unpack(path, target, context.stopping());
        return DataFolder.list(target, target, Set.of());
    }

    /** A run that is started in its data set's folder works there too. */
    private Set<Path> ownFolders() throws IOException {
        Workspace workspace = context.workspace();
        Set<Path> own = new HashSet<>();
        List<Path> folders = new ArrayList<>(List.of(
                workspace.root(),
                workspace.root().resolve("results"),
                workspace.dataset(),
                unpacked.getParent(),
                workspace.train(),
                workspace.evaluate(),
                workspace.cache(),
                workspace.output()));
        Path parent = workspace.root().getParent();
        if (parent != null && parent.endsWith("runs")) {
            folders.add(parent);
        }
        for (Path folder : folders) {
            if (Files.exists(folder)) {
                own.add(folder.toRealPath());
            }
        }
        return own;
    }
}
