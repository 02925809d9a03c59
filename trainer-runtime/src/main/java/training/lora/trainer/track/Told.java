package training.lora.trainer.track;

import io.soabase.recordbuilder.core.RecordBuilder;
import org.jspecify.annotations.Nullable;

/**
 * What a service was told so far, as it is kept in the workspace.
 *
 * @param run id of the run
 * @param where the service, and what the run belongs to there
 * @param remote the run's id there; null before it is made
 * @param place where its files go there; null for nowhere
 * @param lines how many were sent
 * @param ending that was told last; null while it runs
 */
@RecordBuilder
record Told(
        String run,
        String where,
        @Nullable String remote,
        @Nullable String place,
        int lines,
        @Nullable Ending ending) {}
