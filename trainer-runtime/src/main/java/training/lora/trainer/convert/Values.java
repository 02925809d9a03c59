package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.Uris;

/** Values as these tools' readers take them: numbers and truths may be text. */
final class Values {
    private static final Set<String> YES = Set.of("true", "t", "yes", "y", "on", "1", "1.0");
    private static final Set<String> NO = Set.of("false", "f", "no", "n", "off", "0", "0.0");

    private Values() {}

    /** The number that {@code value} is; null where it is none. */
    static @Nullable BigDecimal number(JsonNode value) {
        if (!value.isNumber() && !value.isTextual()) {
            return null;
        }
        try {
            return new BigDecimal(value.asText().strip());
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /** The truth that {@code value} is; null where it is none. */
    static @Nullable Boolean flag(JsonNode value) {
        String text = value.asText().strip().toLowerCase(Locale.ROOT);
        return YES.contains(text) ? Boolean.TRUE : NO.contains(text) ? Boolean.FALSE : null;
    }

    /** Whether {@code value} is nothing, false, 0 or empty. */
    static boolean isOff(JsonNode value) {
        BigDecimal number = number(value);
        return value.isNull()
                || (value.isContainerNode() && value.isEmpty())
                || (value.isTextual() && value.asText().isBlank())
                || (value.isValueNode() && Boolean.FALSE.equals(flag(value)))
                || (number != null && number.signum() == 0);
    }

    /** Whether both mean the same. */
    static boolean same(JsonNode a, JsonNode b) {
        BigDecimal x = number(a);
        BigDecimal y = number(b);
        if (x != null && y != null) {
            return x.compareTo(y) == 0;
        }
        if (a.isBoolean() || b.isBoolean()) {
            Boolean truth = flag(a);
            return truth != null && truth.equals(flag(b));
        }
        return a.isValueNode() && b.isValueNode() ? a.asText().equals(b.asText()) : a.equals(b);
    }

    /** {@code value} as a message shows it, without what may be secret in an address. */
    static String shown(JsonNode value) {
        String text = value.isTextual() ? "\"" + Uris.shown(value.asText()) + "\"" : value.toString();
        return text.length() <= 200 ? text : text.substring(0, 200) + "…";
    }
}
