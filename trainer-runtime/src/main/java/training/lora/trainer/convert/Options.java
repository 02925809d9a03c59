package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.TrainerException;

/**
 * The options of a file, or of a group in it. Null counts as unset. What is of another type than it should be is refused with
 * file, key and value.
 *
 * @param group what stands before its keys: empty, or a name and a point
 * @param written by key, what its value was given as where that is another option
 */
record Options(Findings findings, ObjectNode node, String group, Map<String, String> written) {
    Options {
        written = Map.copyOf(written);
    }

    /** Options that stand under their own keys. */
    Options(Findings findings, ObjectNode node, String group) {
        this(findings, node, group, Map.of());
    }

    /** The option that gave the value of {@code key}. */
    String written(String key) {
        return written.getOrDefault(key, group + key);
    }

    /** The value of {@code key}; null where it is unset. */
    @Nullable JsonNode raw(String key) {
        JsonNode value = node.get(key);
        return value == null || value.isNull() ? null : value;
    }

    boolean has(String key) {
        return raw(key) != null;
    }

    /** Its text; null where it is unset or empty. */
    @Nullable String text(String key) {
        JsonNode value = raw(key);
        if (value == null) {
            return null;
        }
        if (!value.isValueNode()) {
            throw wrong(key, "be text");
        }
        return value.asText().isBlank() ? null : value.asText();
    }

    String text(String key, String unset) {
        return Objects.requireNonNullElse(text(key), unset);
    }

    /**
     * Its text, one of {@code known}, in small letters.
     *
     * @param unset what it is where it is unset
     */
    String choice(String key, String unset, List<String> known) {
        String text = text(key, unset).toLowerCase(Locale.ROOT);
        if (!known.contains(text)) {
            throw wrong(key, "be one of " + String.join(", ", known));
        }
        return text;
    }

    /** Its number; null where it is unset. */
    @Nullable Double number(String key) {
        JsonNode value = raw(key);
        if (value == null || (value.isTextual() && value.asText().isBlank())) {
            return null;
        }
        BigDecimal number = Values.number(value);
        if (number == null || !Double.isFinite(number.doubleValue())) {
            throw wrong(key, "be a number");
        }
        return number.doubleValue();
    }

    double number(String key, double unset) {
        return Objects.requireNonNullElse(number(key), unset);
    }

    /** Its whole number, which may be written as 300.0; null where it is unset. */
    @Nullable Integer whole(String key) {
        Double number = number(key);
        if (number == null) {
            return null;
        }
        if (number != Math.rint(number) || Math.abs(number) > Integer.MAX_VALUE) {
            throw wrong(key, "be a whole number");
        }
        return number.intValue();
    }

    int whole(String key, int unset) {
        return Objects.requireNonNullElse(whole(key), unset);
    }

    /** A whole number that may be as large as a seed. */
    @Nullable Long seed(String key) {
        JsonNode value = raw(key);
        BigDecimal number = value == null ? null : Values.number(value);
        if (value == null) {
            return null;
        }
        try {
            if (number != null && number.signum() >= 0) {
                return number.setScale(0, RoundingMode.UNNECESSARY).longValueExact();
            }
        } catch (ArithmeticException e) {
            // It is said below.
        }
        throw wrong(key, "be a whole number of 0 or more");
    }

    boolean flag(String key, boolean unset) {
        JsonNode value = raw(key);
        if (value == null) {
            return unset;
        }
        Boolean flag = value.isValueNode() ? Values.flag(value) : null;
        if (flag == null) {
            throw wrong(key, "be true or false");
        }
        return flag;
    }

    /** Its texts: an array's, or a single one's; empty where it is unset. */
    List<String> texts(String key) {
        JsonNode value = raw(key);
        List<String> texts = new ArrayList<>();
        if (value != null && value.isArray()) {
            value.forEach(entry -> texts.add(entry.asText()));
        } else if (text(key) != null) {
            texts.add(text(key, ""));
        }
        return texts;
    }

    /** The group {@code key}; an empty one where it is unset. */
    Options child(String key) {
        JsonNode value = raw(key);
        if (value != null && !(value instanceof ObjectNode)) {
            throw wrong(key, "be a group of options");
        }
        return new Options(
                findings,
                value instanceof ObjectNode below ? below : JsonNodeFactory.instance.objectNode(),
                group + key + ".");
    }

    /** The groups in the list {@code key}; none where it is unset. */
    List<Options> children(String key) {
        JsonNode value = raw(key);
        List<Options> children = new ArrayList<>();
        if (value == null) {
            return children;
        }
        if (!value.isArray()) {
            throw wrong(key, "be a list");
        }
        for (JsonNode entry : value) {
            if (!(entry instanceof ObjectNode below)) {
                throw wrong(key, "be a list of groups of options");
            }
            children.add(new Options(findings, below, group + key + "."));
        }
        return children;
    }

    /**
     * What all of several groups say.
     *
     * @param kind what they are, in a sentence that refuses those that differ
     */
    static <T> T common(List<Options> groups, String kind, String key, Function<Options, T> value) {
        T first = value.apply(groups.get(0));
        for (Options group : groups) {
            T other = value.apply(group);
            if (!Objects.equals(first, other)) {
                throw group.findings()
                        .invalid("`%s%s` must be the same in all %s here, was %s and %s"
                                .formatted(group.group(), key, kind, first, other));
            }
        }
        return first;
    }

    /** Says of those whose {@code key} is another than here that they have this one all the same. */
    void tellOthers(String key, List<Options> regularization) {
        for (Options other : regularization) {
            JsonNode own = raw(key);
            JsonNode its = other.raw(key);
            boolean same = own == null || its == null ? isOff(key, own) && isOff(key, its) : Values.same(own, its);
            if (!same) {
                findings.differs("`%s` of regularization pictures is that of the others".formatted(other.written(key)));
            }
        }
    }

    private boolean isOff(String key, @Nullable JsonNode value) {
        return value == null || findings.isOff(group + key, value);
    }

    /** What refuses the value of {@code key}: a sentence that says what it must do, such as "be a number". */
    TrainerException wrong(String key, String must) {
        JsonNode value = raw(key);
        return findings.invalid(
                "`%s` must %s, was %s".formatted(written(key), must, value == null ? "unset" : Values.shown(value)));
    }

    /** What refuses its value, as the table says. */
    TrainerException refused(String key) {
        JsonNode value = raw(key);
        return findings.refused(group + key, value == null ? JsonNodeFactory.instance.nullNode() : value);
    }

    /** It has no effect, as the table says, where it is on. */
    void ignore(String key) {
        JsonNode value = raw(key);
        if (value != null && !findings.isOff(group + key, value)) {
            findings.ignores(group + key);
        }
    }
}
