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
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.DatasetManifestSampleBuilder;

/** captions.jsonl as it came back from a person. Each complaint is a sentence with the file and, where there is one, the line. */
final class ReviewedCaptions {
    private static final int NAMED = 3;

    /** So many characters of a wrong value are told. */
    private static final int SHOWN = 60;

    private static final ObjectReader READER = Json.MAPPER
            .readerFor(JsonNode.class)
            .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .with(StreamReadFeature.STRICT_DUPLICATE_DETECTION);

    private final String place;
    private final List<Line> lines;

    private ReviewedCaptions(String place, List<Line> lines) {
        this.place = place;
        this.lines = lines;
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
     * Reads it.
     *
     * @param place where it is, for messages
     * @throws TrainerException InvalidCaptions if it is no such file
     */
    static ReviewedCaptions read(String place, byte[] content) {
        List<Line> lines = new ArrayList<>();
        int number = 0;
        for (String text : text(place, content).lines().toList()) {
            number++;
            if (!text.isBlank()) {
                lines.add(line("%s, line %d,".formatted(place, number), number, text));
            }
        }
        return new ReviewedCaptions(place, lines);
    }

    private static String text(String place, byte[] content) {
        try {
            return CaptionText.whole(content);
        } catch (CaptionText.NoTextException e) {
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

    private static Line line(String where, int number, String text) {
        JsonNode line;
        try {
            line = READER.readValue(text);
        } catch (JsonProcessingException e) {
            int column = e.getLocation() == null ? 1 : e.getLocation().getColumnNr();
            throw wrong("%s must be a JSON object, but is no JSON at column %d: %s"
                    .formatted(
                            where, column, e.getOriginalMessage().replaceFirst("(?s)( \\(start marker at |\n).*", "")));
        }
        if (!line.isObject()) {
            throw wrong("%s must be a JSON object, was %s".formatted(where, shown(line)));
        }
        if (!line.path(CaptionsFile.FILE).isTextual()) {
            throw wrong("%s must name its picture in `%s`, was %s"
                    .formatted(where, CaptionsFile.FILE, shown(line.path(CaptionsFile.FILE))));
        }
        JsonNode picture = line.path(CaptionsFile.PICTURE);
        return new Line(
                number,
                line.path(CaptionsFile.FILE).asText(),
                picture.isTextual() ? picture.asText() : null,
                line.path(CaptionsFile.SOURCE).asText().equals(CaptionReview.FROM),
                texts(where, line.path(CaptionsFile.TEXT)));
    }

    private static List<String> texts(String where, JsonNode text) {
        if (text.isTextual()) {
            return List.of(CaptionText.of(text.asText()).text());
        }
        boolean several = text.isArray()
                && !text.isEmpty()
                && StreamSupport.stream(text.spliterator(), false).allMatch(JsonNode::isTextual);
        if (!several) {
            throw wrong("%s must have its caption in `%s`, a text or a list of texts, was %s"
                    .formatted(where, CaptionsFile.TEXT, shown(text)));
        }
        return StreamSupport.stream(text.spliterator(), false)
                .map(t -> CaptionText.of(t.asText()).text())
                .toList();
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

    /** Those of its lines that a review had changed before. */
    ReviewedCaptions byPerson() {
        return new ReviewedCaptions(place, lines.stream().filter(Line::byPerson).toList());
    }

    /**
     * Its lines by the prepared pictures, in the order of these.
     *
     * @throws TrainerException InvalidCaptions if two are of one picture
     */
    SortedMap<String, Line> byFile() {
        SortedMap<String, Line> byFile = new TreeMap<>();
        for (Line line : lines) {
            Line other = byFile.putIfAbsent(line.file(), line);
            if (other != null) {
                throw wrong("%s, line %d, must be the only one of %s, but line %d has it too"
                        .formatted(place, line.number(), line.file(), other.number()));
            }
        }
        return byFile;
    }

    /** What is to be said of a line that is of no known picture. */
    TrainerException unknown(Line line) {
        return wrong("%s, line %d, must be of a prepared picture, but there is no %s"
                .formatted(place, line.number(), line.file()));
    }

    /**
     * {@code samples} with the captions that it has.
     *
     * @throws TrainerException InvalidCaptions unless it has one line for each picture, and no other
     */
    List<Sample> of(List<Sample> samples, LoraTrainingSpec spec) {
        Set<String> known = samples.stream().map(Sample::file).collect(Collectors.toSet());
        for (Line line : lines) {
            if (!known.contains(line.file())) {
                throw unknown(line);
            }
        }
        Map<String, Line> byFile = byFile();
        List<String> missing = samples.stream()
                .map(Sample::file)
                .filter(file -> !byFile.containsKey(file))
                .toList();
        if (!missing.isEmpty()) {
            throw wrong("%s must have a line for each picture, but has none for %s"
                    .formatted(place, Names.some(missing, NAMED)));
        }
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
        List<String> prepared = sample.variants() == null ? List.of(sample.caption()) : sample.variants();
        // As a line of them is read: a caption may have a space at its end that no line keeps.
        if (texts.equals(
                prepared.stream().map(text -> CaptionText.of(text).text()).toList())) {
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
