package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import java.lang.reflect.Field;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The CRD's rules for a spec that no API server has seen: the command line reads the same file. It reads the
 * annotations that the CRD is generated from; {@link CrossFieldRules} repeats the CEL rules. A test holds both to the same
 * examples.
 */
public final class SpecValidator {
    /** What patterns are in words. */
    private static final Map<String, String> FORMS = Map.of(
            Uris.PATTERN,
            Uris.FORM,
            Uris.OUTPUT_PATTERN,
            Uris.OUTPUT_FORM,
            Uris.SHA256,
            "be 64 hex digits",
            ResourcesSpec.QUANTITY,
            "be a quantity such as 8Gi",
            TrackingSpec.SERVER,
            "be https://HOST/PATH without a password or query in it");

    private final List<String> problems = new ArrayList<>();

    private SpecValidator() {}

    /** Everything that is wrong with {@code spec}, one sentence each, with field and value; empty if nothing is. */
    public static List<String> problems(LoraTrainingSpec spec) {
        SpecValidator validator = new SpecValidator();
        validator.record("spec", spec);
        new CrossFieldRules(validator.problems).check(spec);
        return validator.problems;
    }

    /** What is wrong with {@code captions} where {@code field} has them and not the spec, as {@link #problems}. */
    public static List<String> captionProblems(String field, CaptionsSpec captions) {
        SpecValidator validator = new SpecValidator();
        validator.record(field, captions);
        new CrossFieldRules(validator.problems).captions(field, captions);
        return validator.problems;
    }

    private void record(String path, Record value) {
        for (RecordComponent component : value.getClass().getRecordComponents()) {
            try {
                Field field = value.getClass().getDeclaredField(component.getName());
                if (field.isAnnotationPresent(JsonPropertyDescription.class)) {
                    component.getAccessor().setAccessible(true);
                    field(
                            path + "." + component.getName(),
                            field,
                            component.getAccessor().invoke(value));
                }
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private void field(String path, Field field, @Nullable Object value) {
        if (value == null) {
            if (field.isAnnotationPresent(Required.class)) {
                problems.add("`" + path + "` must be given");
            }
            return;
        }
        if (value instanceof Number number) {
            range(path, field, number);
        } else if (value instanceof String text) {
            text(path, field, text);
        } else if (value instanceof Collection<?> items) {
            size(path, field, items.size(), "entries");
            int i = 0;
            for (Object item : items) {
                if (item instanceof Record nested) {
                    record(path + "[" + i + "]", nested);
                }
                i++;
            }
        } else if (value instanceof Map<?, ?> map) {
            size(path, field, map.size(), "entries");
        } else if (value instanceof Record nested) {
            record(path, nested);
        }
    }

    private void range(String path, Field field, Number number) {
        Min min = field.getAnnotation(Min.class);
        if (min != null
                && (number.doubleValue() < min.value() || (!min.inclusive() && number.doubleValue() == min.value()))) {
            problems.add("`%s` must be %s %s, was %s"
                    .formatted(path, min.inclusive() ? "at least" : "greater than", plain(min.value()), number));
        }
        Max max = field.getAnnotation(Max.class);
        if (max != null
                && (number.doubleValue() > max.value() || (!max.inclusive() && number.doubleValue() == max.value()))) {
            problems.add("`%s` must be %s %s, was %s"
                    .formatted(path, max.inclusive() ? "at most" : "less than", plain(max.value()), number));
        }
    }

    private void text(String path, Field field, String text) {
        Pattern pattern = field.getAnnotation(Pattern.class);
        // The one rule that is wider than the CRD's: a file that no API server sees may name a folder beside it.
        boolean folder =
                pattern != null && pattern.value().equals(Uris.OUTPUT_PATTERN) && text.matches(Uris.OUTPUT_PATH);
        if (pattern != null
                && !folder
                && !java.util.regex.Pattern.compile(pattern.value())
                        .matcher(text)
                        .find()) {
            String form = FORMS.getOrDefault(pattern.value(), "match " + pattern.value());
            problems.add("`%s` must %s, was \"%s\"".formatted(path, form, Uris.shown(text)));
        }
        size(path, field, text.length(), "characters");
    }

    private void size(String path, Field field, long size, String unit) {
        Size bounds = field.getAnnotation(Size.class);
        if (bounds != null && (size < bounds.min() || size > bounds.max())) {
            problems.add("`%s` must have %d to %d %s, had %d".formatted(path, bounds.min(), bounds.max(), unit, size));
        }
    }

    private static String plain(double bound) {
        return bound == Math.rint(bound) ? Long.toString((long) bound) : Double.toString(bound);
    }
}
