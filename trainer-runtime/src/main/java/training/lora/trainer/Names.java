package training.lora.trainer;

import java.util.List;

/** Names in a sentence. */
public final class Names {
    private Names() {}

    /** The first {@code most} of {@code names}, and how many more there are. */
    public static String some(List<String> names, int most) {
        int more = names.size() - most;
        return more > 0
                ? String.join(", ", names.subList(0, most)) + " and " + more + " more"
                : String.join(", ", names);
    }
}
