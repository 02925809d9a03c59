package training.lora.trainer.model.basemodel;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import training.lora.api.Json;

/**
 * A copy of a diffusers folder that loaders open without being told more: weights have no variant in their files' names, and
 * the index names parts that are not there as none. All else stays byte for byte.
 */
public final class FolderCopy {
    /** What names of files in fp16 have, which loaders look for only where a variant is asked for. */
    private static final String VARIANT = ".fp16";

    /** Of files with weights, and of those that say which file has which. */
    private static final Pattern WEIGHTS = Pattern.compile(".+\\.(?:safetensors|bin)(?:\\.index\\.(?:\\w+\\.)?json)?");

    private static final Path INDEX = Path.of(PartFiles.INDEX);

    private final Path base;

    private final JsonNode index;

    /** Of each file that is copied its name in the copy, both relative to the folder. */
    private final Map<Path, Path> names;

    private FolderCopy(Path base, JsonNode index, Map<Path, Path> names) {
        this.base = base;
        this.index = index;
        this.names = names;
    }

    /** That of {@code base}, which a model must be able to be opened from. */
    public static FolderCopy of(Path base) throws IOException {
        JsonNode index = read(base.resolve(INDEX));
        List<Path> files = filesOf(base);
        // Where weights of both lie, loaders find those without a variant.
        List<Path> plain = files.stream()
                .filter(file -> isWeights(file) && !isVariant(file))
                .map(Path::getParent)
                .distinct()
                .toList();
        Map<Path, Path> names = new LinkedHashMap<>();
        for (Path file : files) {
            String part = file.getName(0).toString();
            boolean loaded = isWeights(file) && (PartFiles.COMPONENTS.contains(part) || index.has(part));
            boolean renamed = loaded && isVariant(file) && !plain.contains(file.getParent());
            names.put(
                    file,
                    renamed ? file.resolveSibling(file.getFileName().toString().replace(VARIANT, "")) : file);
        }
        return new FolderCopy(base, index, names);
    }

    /**
     * The files of {@code folder}, relative to it, that a copy needs: of many forms of the weights the one that is
     * read, and all that no weights are of. Of folders that are links only those that a model is read from are followed.
     */
    private static List<Path> filesOf(Path folder) throws IOException {
        List<Path> all = new ArrayList<>(below(folder));
        for (String component : PartFiles.COMPONENTS) {
            Path part = folder.resolve(component);
            if (Files.isSymbolicLink(part) && Files.isDirectory(part)) {
                below(part).forEach(file -> all.add(Path.of(component).resolve(file)));
            }
        }
        Set<String> needed = PartFiles.read(
                all.stream().map(p -> p.toString().replace('\\', '/')).toList());
        return all.stream()
                .filter(p -> !PartFiles.COMPONENTS.contains(p.getName(0).toString())
                        || needed.contains(p.toString().replace('\\', '/')))
                .toList();
    }

    /** All files below {@code folder}, which may be a link. */
    private static List<Path> below(Path folder) throws IOException {
        Path real = folder.toRealPath();
        try (Stream<Path> walk = Files.walk(real)) {
            return walk.filter(Files::isRegularFile).map(real::relativize).toList();
        }
    }

    /** Whether {@code file}, relative to the folder, holds weights of a part or says where these are. */
    public static boolean isWeights(Path file) {
        return file.getNameCount() == 2
                && WEIGHTS.matcher(file.getFileName().toString()).matches();
    }

    private static boolean isVariant(Path file) {
        return file.getFileName().toString().contains(VARIANT);
    }

    /** The copy in {@code folder} of {@code original}, a file of the base model's folder. */
    public Path in(Path folder, Path original) {
        return folder.resolve(Objects.requireNonNull(names.get(base.relativize(original)), original::toString));
    }

    /**
     * Writes it.
     *
     * @param folder need not be there
     * @param wanted which files are copied, by their names relative to the base model's folder; the index is always written
     */
    public void write(Path folder, Predicate<Path> wanted) throws IOException {
        Files.createDirectories(folder);
        for (Map.Entry<Path, Path> file : names.entrySet()) {
            if (!file.getKey().equals(INDEX) && wanted.test(file.getKey())) {
                copy(file.getKey(), folder.resolve(file.getValue()));
            }
        }
        Path target = folder.resolve(INDEX);
        JsonNode own = index(folder);
        if (own.equals(index)) {
            copyBytes(INDEX, target);
        } else {
            Json.PRETTY.writeValue(target.toFile(), own);
        }
    }

    private void copy(Path file, Path target) throws IOException {
        Files.createDirectories(target.getParent());
        if (isWeights(file) && file.toString().endsWith(".json")) {
            JsonNode places = read(base.resolve(file));
            JsonNode own = places(places, file);
            if (!own.equals(places)) {
                Json.PRETTY.writeValue(target.toFile(), own);
                return;
            }
        }
        copyBytes(file, target);
    }

    private void copyBytes(Path file, Path target) throws IOException {
        Files.copy(base.resolve(file), target);
        // A copy may be as read-only as the base model.
        target.toFile().setWritable(true);
    }

    private static JsonNode read(Path file) throws IOException {
        return Json.MAPPER.readTree(file.toFile());
    }

    /** Which file has which weights, by the files' names in the copy. */
    private JsonNode places(JsonNode original, Path file) {
        JsonNode own = original.deepCopy();
        if (own.get("weight_map") instanceof ObjectNode places) {
            Map<String, String> renamed = names.entrySet().stream()
                    .filter(e -> Objects.equals(e.getKey().getParent(), file.getParent()))
                    .collect(Collectors.toMap(
                            e -> e.getKey().getFileName().toString(),
                            e -> e.getValue().getFileName().toString()));
            places.properties().forEach(place -> {
                String name = renamed.get(place.getValue().asText());
                if (name != null) {
                    place.setValue(TextNode.valueOf(name));
                }
            });
        }
        return own;
    }

    /** The base model's index, in which parts that are not in {@code folder} are none: loaders look for all that it names. */
    private JsonNode index(Path folder) {
        ObjectNode own = index.deepCopy();
        List<String> parts = new ArrayList<>();
        own.fieldNames().forEachRemaining(parts::add);
        for (String part : parts) {
            if (own.get(part).isArray() && !Files.isDirectory(folder.resolve(part))) {
                own.putArray(part).addNull().addNull();
            }
        }
        return own;
    }
}
