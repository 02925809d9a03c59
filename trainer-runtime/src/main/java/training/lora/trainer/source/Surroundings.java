package training.lora.trainer.source;

import java.nio.file.Path;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.AddressGuard;

/**
 * Where a process fetches from: on a laptop, or in a pod, where makers' uris may not lead everywhere.
 *
 * @param environment the process's variables
 * @param stopping whether the process was asked to end
 */
public record Surroundings(Function<String, @Nullable String> environment, BooleanSupplier stopping) {
    private static final long LIMIT = 200L << 30;

    /** As the operator's setting of the same name has it. */
    private static final Pattern QUANTITY = Pattern.compile("(\\d{1,12})(|Ki|Mi|Gi|Ti)");

    /** Variables that had another name in earlier releases: what a platform closes must not stand open for a word. */
    private static final Map<String, String> RENAMED =
            Map.of("LORA_SOURCE_ALLOW", "LORA_SOURCES_ALLOW", "LORA_SOURCE_LIMIT_BYTES", "LORA_SOURCES_LIMIT");

    /** @throws TrainerException InvalidConfiguration if a variable is set that is called otherwise by now */
    public Surroundings {
        RENAMED.forEach((old, name) -> {
            if (environment.apply(old) != null) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "%s must not be set, since it is called %s now and would be ignored".formatted(old, name));
            }
        });
    }

    /** The process's own. */
    public static Surroundings of(BooleanSupplier stopping) {
        return new Surroundings(System::getenv, stopping);
    }

    /** A variable; null where it is unset or empty. */
    public @Nullable String variable(String name) {
        String value = environment.apply(name);
        return value == null || value.isBlank() ? null : value.strip();
    }

    public boolean inPod() {
        return variable("LORA_PVC_ROOT") != null;
    }

    /** Says which addresses may be connected to. */
    public AddressGuard guard() {
        return AddressGuard.of(this::variable);
    }

    public Secrets secrets() {
        String folder = variable("LORA_SECRETS");
        return new Secrets(folder == null ? null : Path.of(folder), inPod());
    }

    /** Bytes that one source may have. */
    public long limitBytes() {
        String limit = variable("LORA_SOURCES_LIMIT");
        if (limit == null) {
            return LIMIT;
        }
        Matcher form = QUANTITY.matcher(limit);
        if (!form.matches()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "LORA_SOURCES_LIMIT must be a whole number of bytes, or of Mi, Gi or Ti, was " + limit);
        }
        return Long.parseLong(form.group(1))
                << switch (form.group(2)) {
                    case "Ki" -> 10;
                    case "Mi" -> 20;
                    case "Gi" -> 30;
                    case "Ti" -> 40;
                    default -> 0;
                };
    }

    /**
     * Ends what was asked to.
     *
     * @param where what is done, as in "while it fetched a file"
     * @throws TrainerException Preempted
     */
    public void stopIfAsked(String where) {
        if (stopping.getAsBoolean()) {
            throw new TrainerException(
                    Reason.Preempted, "the run was asked to stop " + where + "; the same command goes on from there");
        }
    }
}
