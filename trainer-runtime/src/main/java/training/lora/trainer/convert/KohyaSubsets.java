package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;

/** The data sets that kohya's options name: of a dataset configuration, of a table of captions, or of folders N_NAME. */
final class KohyaSubsets {
    /** What options of the command line are called in a dataset configuration. */
    private static final Map<String, String> NAMES =
            Map.of("train_batch_size", "batch_size", "dataset_repeats", "num_repeats");

    private static final int MOST_DIGITS = 6;

    private final Options root;
    private final Findings findings;
    private final KohyaScripts scripts;
    private final Places places;
    private final List<Options> subsets = new ArrayList<>();

    KohyaSubsets(Options root, KohyaScripts scripts, Places places) {
        this.root = root;
        this.findings = root.findings();
        this.scripts = scripts;
        this.places = places;
    }

    /** Each with the options that hold for it; at least one. */
    List<Options> all() {
        for (Options dataset : root.children("datasets")) {
            Set<String> there = new HashSet<>();
            for (Options subset : dataset.children("subsets")) {
                String of = subset.text("metadata_file", subset.text("image_dir", ""));
                if (of.isEmpty() || there.add(of)) {
                    subsets.add(joined(dataset, subset.node(), Map.of()));
                } else {
                    findings.note(
                            "%s stands in `datasets.subsets` of one data set twice, and the first counts alone, as there"
                                    .formatted(of));
                }
            }
        }
        boolean table = root.text("in_json") != null || scripts.are(KohyaScript.FineTune);
        if (!subsets.isEmpty()) {
            unread(
                    List.of("train_data_dir", "reg_data_dir", "in_json"),
                    "counts without a dataset configuration alone");
        } else if (table && root.has("train_data_dir")) {
            unread(List.of("reg_data_dir"), "counts without `in_json` alone");
            subsets.add(ofTable());
        } else {
            root.ignore("dataset_repeats");
            folders("train_data_dir", false);
            folders("reg_data_dir", true);
        }
        if (subsets.isEmpty()) {
            throw root.wrong(
                    "train_data_dir",
                    "be a folder %sof pictures, where `datasets` of a dataset configuration has no subsets"
                            .formatted(table ? "" : "with folders N_NAME "));
        }
        return subsets;
    }

    private void unread(List<String> keys, String reason) {
        for (String key : keys) {
            if (root.text(key) != null) {
                findings.ignores(key, reason);
            }
        }
    }

    /**
     * The options that hold for a subset: its own, its data set's, the general ones, those of the command line.
     *
     * @param from by options of the subset, those that they were made of
     */
    private Options joined(@Nullable Options dataset, ObjectNode subset, Map<String, String> from) {
        ObjectNode joined = Json.MAPPER.createObjectNode();
        Map<String, String> written = new HashMap<>();
        root.node().fields().forEachRemaining(field -> {
            String name = NAMES.getOrDefault(field.getKey(), field.getKey());
            // Repeats of the command line are dataset_repeats, and a table is train_data_dir's alone.
            boolean other = List.of("num_repeats", "in_json").contains(field.getKey());
            if (!field.getValue().isContainerNode() && !field.getValue().isNull() && !other) {
                joined.set(name, field.getValue());
                written.put(name, field.getKey());
            }
        });
        List<ObjectNode> own = new ArrayList<>(List.of(root.child("general").node()));
        if (dataset != null) {
            own.add(dataset.node());
        }
        own.add(subset);
        for (ObjectNode options : own) {
            joined.setAll(options);
            options.fieldNames().forEachRemaining(written::remove);
        }
        joined.remove("subsets");
        written.putAll(from);
        return new Options(findings, joined, "", written);
    }

    /** The folder whose pictures in_json has the captions of; without one the captions lie beside them. */
    private Options ofTable() {
        ObjectNode subset = Json.MAPPER
                .createObjectNode()
                .put("image_dir", root.text("train_data_dir"))
                .put("num_repeats", root.whole("dataset_repeats", 1));
        if (root.text("in_json") != null) {
            subset.set("in_json", root.raw("in_json"));
        }
        return joined(null, subset, Map.of("image_dir", "train_data_dir", "num_repeats", "dataset_repeats"));
    }

    /** Folders N_NAME, as kohya reads them; others are passed over. */
    private void folders(String key, boolean regularization) {
        String text = root.text(key);
        if (text == null) {
            return;
        }
        Path folder = places.path(findings, key, text);
        try (Stream<Path> entries = Files.list(folder)) {
            for (Path entry : entries.filter(Files::isDirectory).sorted().toList()) {
                String[] parts = entry.getFileName().toString().split("_", 2);
                Integer repeats = repeats(key, parts[0], entry);
                if (repeats != null) {
                    subsets.add(joined(
                            null,
                            Json.MAPPER
                                    .createObjectNode()
                                    .put("image_dir", text.replaceFirst("/+$", "") + "/" + entry.getFileName())
                                    .put("num_repeats", repeats)
                                    .put("is_reg", regularization)
                                    .put("class_tokens", parts.length < 2 ? "" : parts[1]),
                            // Its name is of the folder that the option names.
                            Map.of("image_dir", key, "num_repeats", key, "class_tokens", key, "is_reg", key)));
                }
            }
        } catch (IOException e) {
            throw root.wrong(key, "be a folder that can be read");
        }
    }

    /** The N of a folder's name as Python's int() reads it, with zeros and spaces around it too; null where it is passed over. */
    private @Nullable Integer repeats(String key, String number, Path folder) {
        String digits = number.strip().replaceFirst("^\\+?0*(?=\\d)", "");
        if (digits.matches("[1-9]\\d*")) {
            if (digits.length() > MOST_DIGITS) {
                throw root.wrong(
                        key,
                        "have folders N_NAME with an N of at most %d digits, but %s has more"
                                .formatted(MOST_DIGITS, folder.getFileName()));
            }
            return Integer.valueOf(digits);
        }
        findings.note((digits.matches("-?\\d+")
                        ? "the folder %s has fewer repeats than 1 in its name, and is passed over"
                        : "the folder %s has no number of repeats before a _ in its name, and is passed over")
                .formatted(folder.getFileName()));
        return null;
    }
}
