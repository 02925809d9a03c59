package training.lora.trainer.prepare;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import training.lora.api.Json;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.files.CaptionEntries;
import training.lora.trainer.files.CaptionTables;

/** captions.jsonl beside prepared pictures: a line for each, in a form that is read back where its folder is a data set. */
final class CaptionsFile {
    /** The prepared picture, relative to the data set's folder. */
    static final String FILE = "file_name";

    /** The caption, or several. */
    static final String TEXT = "text";

    /** Data set and file of the picture as it came. */
    static final String PICTURE = "picture";

    /** Where the caption came from. */
    static final String SOURCE = "source";

    private CaptionsFile() {}

    static void write(List<Sample> samples, CaptionRules rules, Path folder) throws IOException {
        Files.writeString(folder.resolve(CaptionTables.PREPARED), content(samples, rules));
    }

    static String content(List<Sample> samples, CaptionRules rules) {
        StringBuilder lines = new StringBuilder();
        for (Sample sample : samples) {
            ObjectNode line = Json.MAPPER.createObjectNode();
            line.put(FILE, sample.file());
            List<String> texts = rules.lines(sample);
            if (sample.variants() == null) {
                line.put(TEXT, texts.get(0));
            } else {
                texts.forEach(line.putArray(TEXT)::add);
            }
            line.put(CaptionEntries.PREPARED, true);
            line.put(PICTURE, sample.name());
            line.put(SOURCE, sample.captionFrom());
            if (sample.original() != null) {
                line.put("original", sample.original());
            }
            lines.append(line).append('\n');
        }
        return lines.toString();
    }
}
