package training.lora.trainer.prepare;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import training.lora.api.Json;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.files.CaptionTables;

/** captions.jsonl beside prepared pictures: a line for each, in a form that is read back where its folder is a data set. */
final class CaptionsFile {
    /** In lines whose text has the concept's words and the prefix. */
    static final String MARK = "prepared";

    private CaptionsFile() {}

    static void write(List<Sample> samples, Path folder) throws IOException {
        StringBuilder lines = new StringBuilder();
        for (Sample sample : samples) {
            ObjectNode line = Json.MAPPER.createObjectNode();
            line.put("file_name", sample.file());
            List<String> variants = sample.variants();
            if (variants == null) {
                line.put("text", sample.caption());
            } else {
                variants.forEach(line.putArray("text")::add);
            }
            line.put(MARK, true);
            line.put("picture", sample.name());
            line.put("source", sample.captionFrom());
            if (sample.original() != null) {
                line.put("original", sample.original());
            }
            lines.append(line).append('\n');
        }
        Files.writeString(folder.resolve(CaptionTables.PREPARED), lines);
    }
}
