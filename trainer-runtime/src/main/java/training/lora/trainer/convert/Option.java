package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What becomes of one option of another tool; of {@code to}, {@code ignored} and {@code refused} there is at least one.
 *
 * @param of the scripts of the tool that have it; null where all have, or the tool is one
 * @param to the fields of ours that it sets, as people may read it; null where it sets none
 * @param note what is particular about that
 * @param ignored why it has no effect
 * @param refused why it, or where {@code to} stands too some of its values, can't be taken over
 * @param usual its default there, with which it is not worth a word; null where that is off (false, 0, empty)
 * @param example a value of it that changes what comes out, is named as without effect, or is refused
 * @param with options beside which {@code example} does that
 * @param refuses a value that is refused, where others are not
 */
record Option(
        @Nullable List<String> of,
        @Nullable String to,
        @Nullable String note,
        @Nullable String ignored,
        @Nullable String refused,
        @Nullable JsonNode usual,
        @Nullable JsonNode example,
        @Nullable Map<String, JsonNode> with,
        @Nullable JsonNode refuses) {

    /** Whether {@code value} is as if the option weren't there. */
    boolean isOff(JsonNode value) {
        if (usual != null) {
            return Values.same(usual, value);
        }
        return Values.isOff(value);
    }
}
