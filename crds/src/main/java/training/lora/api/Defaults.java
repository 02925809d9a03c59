package training.lora.api;

import java.lang.reflect.Constructor;
import org.jspecify.annotations.Nullable;

/** What an absent field means: each record's compact constructor puts its defaults, and nothing else does. */
final class Defaults {
    private Defaults() {}

    static <T> T orDefault(@Nullable T value, T otherwise) {
        return value == null ? otherwise : value;
    }

    /** {@code type} with every component absent. */
    static <T extends Record> T of(Class<T> type) {
        Constructor<?> canonical = type.getDeclaredConstructors()[0];
        try {
            return type.cast(canonical.newInstance(new Object[canonical.getParameterCount()]));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(type + " must have defaults for all of its fields", e);
        }
    }
}
