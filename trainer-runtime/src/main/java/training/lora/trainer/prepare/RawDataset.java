package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** The pictures of a folder and the captions beside them, as they came. */
final class RawDataset {
    private static final List<String> PICTURES = List.of("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff");

    /** Follows a picture's name in that of its mask, as in OneTrainer. */
    static final String MASK = "-masklabel";

    private RawDataset() {}

    /**
     * A picture and its caption.
     *
     * @param dataset what it belongs to
     * @param name data set and relative path
     * @param mask the mask beside it; null where there is none
     */
    record Item(
            DatasetSpec dataset,
            String name,
            Path file,
            String caption,
            @Nullable Path mask) {}

    /**
     * All pictures of {@code source} by name, below the folder that it stands for; all wrong captions are listed at once.
     *
     * @param wording makes captions of the texts beside the pictures
     */
    static List<Item> list(DatasetSpec source, Path place, UnaryOperator<String> wording) throws IOException {
        String dataset = source.name();
        // A link to a folder would be walked as a file.
        Path folder = place.toRealPath();
        List<Path> files;
        try (Stream<Path> walk = Files.walk(folder)) {
            files = walk.filter(Files::isRegularFile)
                    .filter(f -> PICTURES.contains(extension(f)))
                    .filter(f -> !folder.relativize(f).toString().startsWith("__MACOSX"))
                    .sorted()
                    .toList();
        }
        Set<Path> masks = files.stream().filter(f -> stem(f).endsWith(MASK)).collect(Collectors.toSet());
        files = files.stream().filter(f -> !masks.contains(f)).toList();
        if (files.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "data set \"%s\" must hold pictures (%s), but %s has none"
                            .formatted(dataset, String.join(", ", PICTURES), source.uri()));
        }
        List<String> problems = new ArrayList<>();
        Map<Path, Path> byCaption = new HashMap<>();
        List<Item> items = new ArrayList<>();
        for (Path file : files) {
            String name = folder.relativize(file).toString();
            Path caption = file.resolveSibling(stem(file) + ".txt");
            Path other = byCaption.putIfAbsent(caption, file);
            if (other != null) {
                problems.add(name + " and " + folder.relativize(other) + " share one caption");
            } else if (!Files.isRegularFile(caption)) {
                problems.add(name + " has no caption " + stem(file) + ".txt beside it");
            } else {
                try {
                    String text = Files.readString(caption, StandardCharsets.UTF_8)
                            .strip()
                            .replaceAll("\\s+", " ");
                    Path mask = file.resolveSibling(stem(file) + MASK + ".png");
                    items.add(new Item(
                            source,
                            dataset + "/" + name,
                            file,
                            wording.apply(text),
                            masks.contains(mask) ? mask : null));
                } catch (CharacterCodingException e) {
                    problems.add(folder.relativize(caption) + " is not UTF-8 text");
                }
            }
        }
        if (!problems.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "each picture of data set \"%s\" must have a caption of its own: %s"
                            .formatted(dataset, String.join("; ", problems)));
        }
        return items;
    }

    private static String extension(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return name.substring(name.lastIndexOf('.') + 1);
    }

    private static String stem(Path file) {
        String name = file.getFileName().toString();
        return name.substring(0, name.lastIndexOf('.'));
    }
}
