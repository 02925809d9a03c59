package training.lora.trainer.prepare;

import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Manifest;
import training.lora.api.Reason;
import training.lora.api.SourceVersion;
import training.lora.trainer.TrainerException;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.source.Source;

/**
 * The sources of a finished run that are elsewhere, as they are today: most often as they were, which is known without
 * fetching them.
 */
final class RemoteSources {
    private static final Logger LOG = LoggerFactory.getLogger(RemoteSources.class);

    private final Set<Source> asBefore = new HashSet<>();
    private final Map<Source, String> problems = new HashMap<>();

    private RemoteSources() {}

    /**
     * Asks for each, and fetches those that changed.
     *
     * @param prepares whether that may be done; else what was fetched last counts
     */
    static RemoteSources look(RunContext context, Manifest manifest, boolean prepares) {
        Map<String, String> before = new HashMap<>();
        List<SourceVersion> recorded = manifest.sources();
        for (SourceVersion source : recorded == null ? List.<SourceVersion>of() : recorded) {
            if (source.fingerprint() != null) {
                before.put(source.key(), source.fingerprint());
            }
        }
        RemoteSources found = new RemoteSources();
        for (Source source : context.named().all()) {
            if (!source.remote()) {
                continue;
            }
            if (!prepares && context.workspace().fetched().find(source) == null) {
                found.asBefore.add(source);
                continue;
            }
            try {
                String now = context.sources().fingerprint(source);
                if (now != null && Objects.equals(now, before.get(source.key()))) {
                    found.asBefore.add(source);
                } else {
                    if (prepares) {
                        LOG.info("{} {} is no longer as it was, or that can't be told", source.field(), source.shown());
                    }
                    context.sources().path(source);
                }
            } catch (TrainerException e) {
                if (e.reason() == Reason.Preempted || e.reason() == Reason.StorageFull) {
                    throw e;
                }
                if (e.reason() == Reason.SourceUnreachable) {
                    throw new TrainerException(
                            Reason.SourceUnreachable,
                            "the run in %s is finished, but whether its sources are as they were can't be told yet: %s"
                                    .formatted(context.workspace().published(), e.getMessage()),
                            e);
                }
                found.problems.put(source, tail(source, e));
            } catch (UncheckedIOException e) {
                found.problems.put(source, "could not be read: " + e.getCause());
            }
        }
        return found;
    }

    /** What a failure says after field and uri. */
    private static String tail(Source source, TrainerException e) {
        String begin = "`%s` %s ".formatted(source.field(), source.shown());
        String message = String.valueOf(e.getMessage());
        return message.startsWith(begin) ? message.substring(begin.length()) : message;
    }

    /** Whether all of them are elsewhere and have the content that the run was made from. */
    boolean asBefore(List<Source> sources) {
        return !sources.isEmpty() && asBefore.containsAll(sources);
    }

    /** Why a source can't be compared, as in "must be reachable, but …"; null if it can. */
    @Nullable String problem(Source source) {
        return problems.get(source);
    }
}
