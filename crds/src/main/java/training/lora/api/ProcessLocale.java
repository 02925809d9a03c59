package training.lora.api;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What a process takes from the locale that it was started in: how it writes numbers, and file names as bytes. */
public final class ProcessLocale {
    private ProcessLocale() {}

    /**
     * From now on numbers are written in ASCII digits with a point, as kernels' texts, file names and JSON must have them:
     * Arabic and Persian locales have digits of their own.
     */
    public static void makeNeutral() {
        Locale.setDefault(Locale.ROOT);
    }

    /** What is wrong with how this process reads file names and arguments, in a sentence; null if nothing. */
    public static @Nullable String problem() {
        return problem(System.getProperty("sun.jnu.encoding", "none"));
    }

    static @Nullable String problem(String encoding) {
        return encoding.equalsIgnoreCase("UTF-8")
                ? null
                : "the process must be started in a UTF-8 locale, such as with LC_ALL=C.UTF-8 in its environment, but file names and arguments are %s in its own"
                        .formatted(encoding);
    }
}
