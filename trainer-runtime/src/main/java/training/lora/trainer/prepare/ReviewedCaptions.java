package training.lora.trainer.prepare;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.DatasetManifestSampleBuilder;
import training.lora.trainer.dataset.Wildcards;
import training.lora.trainer.files.NoTextException;
import training.lora.trainer.files.TextFile;

/** captions.jsonl as it came back from a person. Each complaint is a sentence with the file and, where there is one, the line. */
final class ReviewedCaptions {
    private static final int NAMED = 3;

    /** So many characters of a wrong value are told. */
    private static final int SHOWN = 60;

    private static final ObjectReader READER = Json.MAPPER
            .readerFor(JsonNode.class)
            .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .with(StreamReadFeature.STRICT_DUPLICATE_DETECTION);

    /** How many mistakes are told at once. */
    private static final int TOLD = 10;

    private final String place;
    private final List<Line> lines;
    private final List<Mistake> mistakes;

    private ReviewedCaptions(String place, List<Line> lines, List<Mistake> mistakes) {
        this.place = place;
        this.lines = lines;
        this.mistakes = mistakes;
    }

    /**
     * What is wrong with it.
     *
     * @param line from 1; 0 for all of it
     * @param what goes on after the file or the line
     * @param nameless whether it is a line of which nothing says what picture it is of
     */
    private record Mistake(int line, String what, boolean nameless) {
        Mistake(int line, String what) {
            this(line, what, false);
        }
    }

    /**
     * A line of it.
     *
     * @param number from 1
     * @param file the prepared picture
     * @param picture the picture as it came; null where the line doesn't say it
     * @param byPerson whether a review had changed the caption before
     * @param texts one or several captions
     */
    record Line(int number, String file, @Nullable String picture, boolean byPerson, List<String> texts) {}

    /**
     * Reads it. What is wrong with its lines is told with what else is, where they are asked for.
     *
     * @param place where it is, for messages
     * @throws TrainerException InvalidCaptions if it is no text
     */
    static ReviewedCaptions read(String place, byte[] content) {
        List<Line> lines = new ArrayList<>();
        List<Mistake> mistakes = new ArrayList<>();
        int number = 0;
        for (String text : text(place, content).lines().toList()) {
            number++;
            if (!text.isBlank()) {
                Line line = line(number, text, mistakes);
                if (line != null) {
                    lines.add(line);
                }
            }
        }
        return new ReviewedCaptions(place, lines, mistakes);
    }

    private static String text(String place, byte[] content) {
        try {
            return TextFile.of(content);
        } catch (NoTextException e) {
            int line = lineOfNoText(content);
            throw wrong("%s %s".formatted(line == 0 ? place : place + ", line " + line + ",", e.getMessage()));
        }
    }

    /** The line with the first byte that is not UTF-8; 0 where all are. */
    private static int lineOfNoText(byte[] content) {
        ByteBuffer bytes = ByteBuffer.wrap(content);
        CharBuffer characters = CharBuffer.allocate(content.length + 1);
        if (!StandardCharsets.UTF_8.newDecoder().decode(bytes, characters, true).isError()) {
            return 0;
        }
        int line = 1;
        for (int i = 0; i < bytes.position(); i++) {
            line += content[i] == '\n' ? 1 : 0;
        }
        return line;
    }

    private static @Nullable Line line(int number, String text, List<Mistake> mistakes) {
        JsonNode line;
        try {
            line = READER.readValue(text);
        } catch (JsonProcessingException e) {
            int column = e.getLocation() == null ? 1 : e.getLocation().getColumnNr();
            String why = e.getOriginalMessage().replaceFirst("(?s)( \\(start marker at |\n).*", "");
            mistakes.add(new Mistake(
                    number, "must be a JSON object, but is no JSON at column %d: %s".formatted(column, why), true));
            return null;
        }
        if (!line.isObject()) {
            mistakes.add(new Mistake(number, "must be a JSON object, was " + shown(line), true));
            return null;
        }
        if (!line.path(CaptionsFile.FILE).isTextual()) {
            mistakes.add(new Mistake(
                    number,
                    "must name its picture in `%s`, was %s"
                            .formatted(CaptionsFile.FILE, shown(line.path(CaptionsFile.FILE))),
                    true));
            return null;
        }
        JsonNode picture = line.path(CaptionsFile.PICTURE);
        List<String> texts = texts(line.path(CaptionsFile.TEXT));
        if (texts.isEmpty()) {
            mistakes.add(new Mistake(
                    number,
                    "must have its caption in `%s`, a text or a list of texts, was %s"
                            .formatted(CaptionsFile.TEXT, shown(line.path(CaptionsFile.TEXT)))));
        }
        return new Line(
                number,
                line.path(CaptionsFile.FILE).asText(),
                picture.isTextual() ? picture.asText() : null,
                line.path(CaptionsFile.SOURCE).asText().equals(CaptionReview.FROM),
                texts);
    }

    /** Empty where it is neither a text nor some. */
    private static List<String> texts(JsonNode text) {
        if (text.isTextual()) {
            return List.of(CaptionText.of(text.asText()).text());
        }
        boolean several = text.isArray()
                && StreamSupport.stream(text.spliterator(), false).allMatch(JsonNode::isTextual);
        return several
                ? StreamSupport.stream(text.spliterator(), false)
                        .map(t -> CaptionText.of(t.asText()).text())
                        .toList()
                : List.of();
    }

    private static String shown(JsonNode node) {
        return node.isMissingNode() ? "missing" : cut(node.toString());
    }

    private static String cut(String json) {
        return json.length() <= SHOWN ? json : json.substring(0, SHOWN) + "…";
    }

    private static TrainerException wrong(String sentence) {
        return new TrainerException(Reason.InvalidCaptions, sentence);
    }

    /** @throws TrainerException InvalidCaptions if there are any */
    private void requireNone(List<Mistake> found) {
        if (found.isEmpty()) {
            return;
        }
        List<String> told = new ArrayList<>();
        found.stream()
                .sorted(Comparator.comparingInt(mistake -> mistake.line() == 0 ? Integer.MAX_VALUE : mistake.line()))
                .limit(TOLD)
                .forEach(mistake -> told.add(
                        mistake.line() == 0
                                ? (told.isEmpty() ? place : "it") + " " + mistake.what()
                                : "%sline %d, %s"
                                        .formatted(
                                                told.isEmpty() ? place + ", " : "", mistake.line(), mistake.what())));
        int more = found.size() - told.size();
        throw wrong(String.join("; ", told) + (more > 0 ? "; and %d more of such".formatted(more) : ""));
    }

    /** Those of its lines that a review had changed before. */
    ReviewedCaptions byPerson() {
        return new ReviewedCaptions(place, lines.stream().filter(Line::byPerson).toList(), mistakes);
    }

    /**
     * Its lines by the prepared pictures, in the order of these.
     *
     * @throws TrainerException InvalidCaptions if one is wrong, or two are of one picture
     */
    SortedMap<String, Line> byFile() {
        List<Mistake> found = new ArrayList<>(mistakes);
        SortedMap<String, Line> byFile = byFile(found);
        requireNone(found);
        return byFile;
    }

    private SortedMap<String, Line> byFile(List<Mistake> found) {
        SortedMap<String, Line> byFile = new TreeMap<>();
        for (Line line : lines) {
            Line other = byFile.putIfAbsent(line.file(), line);
            if (other != null) {
                found.add(new Mistake(
                        line.number(),
                        "must be the only one of %s, but line %d has it too".formatted(line.file(), other.number())));
            }
        }
        return byFile;
    }

    /** What is to be said of a line that is of no known picture. */
    TrainerException unknown(Line line) {
        return wrong("%s, line %d, %s".formatted(place, line.number(), isUnknown(line)));
    }

    private static String isUnknown(Line line) {
        return "must be of a prepared picture, but there is no " + line.file();
    }

    /**
     * {@code samples} with the captions that it has.
     *
     * @throws TrainerException InvalidCaptions, with all that is wrong, unless it has one line for each picture, and no other
     */
    List<Sample> of(List<Sample> samples, LoraTrainingSpec spec) {
        List<Mistake> found = new ArrayList<>(mistakes);
        Set<String> known = samples.stream().map(Sample::file).collect(Collectors.toSet());
        for (Line line : lines) {
            if (!known.contains(line.file())) {
                found.add(new Mistake(line.number(), isUnknown(line)));
            }
            if (spec.preparation().captions().wildcards()) {
                line.texts().stream()
                        .map(Wildcards::unpaired)
                        .flatMap(Stream::ofNullable)
                        .forEach(unpaired -> found.add(new Mistake(line.number(), Wildcards.PAIRED + unpaired)));
            }
        }
        Map<String, Line> byFile = byFile(found);
        List<String> missing = samples.stream()
                .map(Sample::file)
                .filter(file -> !byFile.containsKey(file))
                .toList();
        // Lines that say of no picture may be theirs.
        if (missing.size() > mistakes.stream().filter(Mistake::nameless).count()) {
            found.add(new Mistake(
                    0, "must have a line for each picture, but has none for " + Names.some(missing, NAMED)));
        }
        requireNone(found);
        CaptionRules rules = new CaptionRules(spec);
        return samples.stream()
                .map(sample -> with(
                        sample,
                        Objects.requireNonNull(byFile.get(sample.file())).texts(),
                        rules))
                .toList();
    }

    /** The sample with that caption, if it is another: what it says is trained on as it stands there. */
    static Sample with(Sample sample, List<String> texts, CaptionRules rules) {
        // As a line of them is read: a caption may have a space at its end that no line keeps.
        if (texts.equals(rules.lines(sample).stream()
                .map(text -> CaptionText.of(text).text())
                .toList())) {
            return sample;
        }
        CaptionRules.Caption caption = rules.whole(texts);
        return DatasetManifestSampleBuilder.builder(sample)
                .caption(caption.text())
                .variants(caption.variants())
                .captionFrom(CaptionReview.FROM)
                .build();
    }
}
