package training.lora.trainer.convert;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A prompt of ai-toolkit with the flags behind it, as its {@code GenerateImageConfig} takes it apart: all that stands behind two
 * hyphens is a flag, and what it doesn't know belongs to nothing.
 *
 * @param text what is drawn
 * @param flags the values by the flags
 */
record AiToolkitPrompt(String text, Map<String, String> flags) {
    AiToolkitPrompt {
        flags = Map.copyOf(flags);
    }

    static AiToolkitPrompt of(String written) {
        String[] parts = written.strip().split("--");
        Map<String, String> flags = new LinkedHashMap<>();
        for (int i = 1; i < parts.length; i++) {
            String[] flag = parts[i].split(" ", 2);
            flags.put(flag[0].strip(), flag.length < 2 ? "" : flag[1].strip());
        }
        return new AiToolkitPrompt(parts.length == 0 ? "" : parts[0].strip(), flags);
    }

    /** Its negative prompt; null where it has none. */
    @Nullable String negative() {
        return flags.get("n");
    }

    /**
     * Its seed; null where it has none.
     *
     * @param sample for messages
     */
    @Nullable Long seed(Options sample) {
        String seed = flags.getOrDefault("seed", flags.get("d"));
        if (seed == null) {
            return null;
        }
        try {
            return Long.parseUnsignedLong(seed);
        } catch (NumberFormatException e) {
            throw sample.findings()
                    .invalid("`sample.prompts` must have whole numbers behind --d and --seed, was \"%s\""
                            .formatted(seed));
        }
    }

    /** Says which flags count for nothing. */
    void noteOthers(Findings findings) {
        Set<String> others = new TreeSet<>(flags.keySet());
        others.removeAll(Set.of("n", "d", "seed"));
        for (String other : others) {
            findings.ignores(
                    "--" + other, "of prompts; all pictures have the size, steps, guidance and strength of sample");
        }
    }
}
