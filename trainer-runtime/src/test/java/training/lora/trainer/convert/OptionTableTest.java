package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Each table names each option of its tool, and the code does with each what its table says. */
class OptionTableTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @EnumSource
    void everyOptionOfTheToolIsInItsTable(Tool tool) throws IOException {
        List<String> known = Files.readAllLines(Conversions.CONFIGS.resolve(tool.id() + "-options.txt")).stream()
                .filter(line -> !line.startsWith("#"))
                .toList();

        OptionTable table = OptionTable.read(tool.id());
        List<String> missing = known.stream()
                .filter(key -> table.get(key) == null && !table.isGroup(key))
                .toList();

        assertThat(known).hasSizeGreaterThan(50);
        assertThat(missing).isEmpty();
    }

    /** Options of data sets, which a file gives to all scripts, and options of XL's scripts that do nothing here. */
    private static final Set<String> OF_ALL = Set.of(
            "caption_dropout_rate",
            "caption_dropout_every_n_epochs",
            "caption_tag_dropout_rate",
            "dataset_repeats",
            "validation_seed",
            "validation_split",
            "cache_text_encoder_outputs",
            "cache_text_encoder_outputs_to_disk",
            "disable_mmap_load_safetensors");

    @Test
    void scriptsThatHaveAnOptionAreThoseOfItsTable() throws IOException {
        Map<String, Set<String>> known = new TreeMap<>();
        for (String line : Files.readAllLines(Conversions.CONFIGS.resolve("kohya-scripts-options.txt"))) {
            if (!line.startsWith("#")) {
                known.put(line.split(":")[0], Set.of(line.split(": ")[1].split(" ")));
            }
        }
        known.keySet().removeAll(OF_ALL);
        // Its table names what it holds; a file's weight counts for data sets of sdxl_train.py too.
        known.remove("network_args");
        known.computeIfPresent("prior_loss_weight", (key, scripts) -> plus(scripts, "sdxl_train"));

        Map<String, Set<String>> table = new TreeMap<>();
        OptionTable.read("kohya").options().forEach((key, option) -> {
            if (option.of() != null) {
                table.put(key, Set.copyOf(option.of()));
            }
        });

        assertThat(known).hasSizeGreaterThan(40);
        assertThat(table).isEqualTo(known);
    }

    private static Set<String> plus(Set<String> all, String other) {
        Set<String> more = new HashSet<>(all);
        more.add(other);
        return more;
    }

    static Stream<Arguments> options() {
        List<Arguments> all = new ArrayList<>();
        for (Tool tool : Tool.values()) {
            OptionTable.read(tool.id()).options().forEach((key, option) -> all.add(Arguments.of(tool, key, option)));
        }
        return all.stream();
    }

    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("options")
    void anOptionDoesWhatItsTableSays(Tool tool, String key, Option option) throws IOException {
        if (option.example() != null) {
            ObjectNode without = config(tool, option, "", null);
            ObjectNode with = config(tool, option, key, option.example());
            if (option.to() != null) {
                Converted plain = Conversions.convert(tool, folder, without);
                Converted converted = Conversions.convert(tool, folder, with);
                assertThat(converted.training()).isNotEqualTo(plain.training());
                assertThat(Conversions.problems(converted.training())).isEmpty();
            } else if (option.ignored() != null) {
                Converted plain = Conversions.convert(tool, folder, without);
                Converted converted = Conversions.convert(tool, folder, with);
                assertThat(converted.training()).isEqualTo(plain.training());
                assertThat(converted.warnings()).anySatisfy(warning -> assertThat(warning)
                        .startsWith("without effect: ")
                        .contains("`" + key + "`", option.ignored()));
                assertThat(converted.warnings().stream().filter(w -> w.startsWith("without effect: ")))
                        .hasSize(1);
            } else {
                requireRefusal(tool, key, option, option.example());
            }
        }
        if (option.refuses() != null) {
            requireRefusal(tool, key, option, option.refuses());
        }
        // Of each option something is shown to be so.
        assertThat(option.example() != null || option.refuses() != null).isTrue();
    }

    /** What some options name. */
    @BeforeEach
    void files() throws IOException {
        for (String name : List.of("plain/1_robot", "folders/5_thing", "other", "pictures")) {
            Files.createDirectories(folder.resolve(name));
        }
        for (String name : List.of("a", "b", "c")) {
            Files.createFile(folder.resolve("plain/1_robot/" + name + ".png"));
        }
        for (String name : List.of("plain", "other")) {
            Files.writeString(folder.resolve(name + "/metadata.json"), "{\"a.png\": {\"caption\": \"an owl\"}}");
        }
        Files.writeString(folder.resolve("prompts.txt"), "a robot --n blurry --d 7 --l 5 --s 20 --w 512");
        Files.writeString(folder.resolve("prompt.txt"), "shs robot\n");
        Files.writeString(folder.resolve("other.txt"), "thing\n");
        Files.writeString(folder.resolve("concepts.json"), "[{\"path\": \"one\"}]");
        Files.writeString(folder.resolve("other.json"), "[{\"path\": \"two\"}]");
        Files.writeString(folder.resolve("samples.json"), "[{\"prompt\": \"an owl\"}]");
        Files.writeString(
                folder.resolve("dataset.toml"), "[[datasets]]\n[[datasets.subsets]]\nimage_dir = \"other\"\n");
    }

    private void requireRefusal(Tool tool, String key, Option option, JsonNode value) throws IOException {
        ObjectNode refused = config(tool, option, key, value);
        assertThatThrownBy(() -> Conversions.convert(tool, folder, refused))
                .isInstanceOfSatisfying(TrainerException.class, e -> {
                    assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration);
                    assertThat(e)
                            .hasMessageContaining("config.json: `" + key + "` can't be " + Values.shown(value))
                            .hasMessageContaining(Objects.requireNonNull(option.refused()));
                });
    }

    private ObjectNode config(Tool tool, Option option, String key, @Nullable JsonNode value) throws IOException {
        ObjectNode file = Conversions.least(tool);
        ObjectNode options = Conversions.options(tool, file);
        for (Map.Entry<String, JsonNode> other : Objects.requireNonNullElse(option.with(), Map.<String, JsonNode>of())
                .entrySet()) {
            Conversions.set(options, other.getKey(), other.getValue().deepCopy());
        }
        if (value != null) {
            Conversions.set(options, key, value.deepCopy());
        }
        return file;
    }

    @ParameterizedTest
    @EnumSource
    void fieldsThatATableNamesAreThere(Tool tool) throws IOException {
        String fields = Files.readString(Path.of("../docs/fields.md"));
        OptionTable.read(tool.id()).options().forEach((key, option) -> {
            if (option.to() != null) {
                assertThat(Arrays.asList(option.to().split(", "))).as(key).allSatisfy(field -> assertThat(
                                field.equals("metadata.name")
                                        || fields.contains("| `" + field + "` |")
                                        || fields.contains("| `" + field + ".")
                                        || fields.contains("| `" + field + "["))
                        .as(field)
                        .isTrue());
            }
        });
    }
}
