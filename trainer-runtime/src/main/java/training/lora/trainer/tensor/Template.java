package training.lora.trainer.tensor;

import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** TorchScript with named holes, {@code {name}}, for what is known when a function is compiled: names, sizes, numbers. */
public final class Template {
    private static final Pattern HOLE = Pattern.compile("\\{(?<name>\\w+)}");

    private Template() {}

    /**
     * The text with each hole filled.
     *
     * @param values by the hole's name
     * @throws IllegalArgumentException if a hole has no value
     */
    public static String fill(String text, Map<String, ?> values) {
        return HOLE.matcher(text).replaceAll(hole -> {
            Object value = values.get(hole.group(1));
            if (value == null) {
                throw new IllegalArgumentException(
                        "the hole %s must have a value, but only %s have one".formatted(hole.group(), values.keySet()));
            }
            return Matcher.quoteReplacement(value.toString());
        });
    }
}
