package training.lora.trainer.prepare.report;

import io.soabase.recordbuilder.core.RecordBuilder;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptMode;

/**
 * What is known of a concept.
 *
 * @param name its trigger, or that of its data set where it has none
 * @param trigger the words that call it; null for a style without
 * @param noun what captions call it that are as they came: the class name, or what most of them begin with; null where
 *     nothing is
 * @param description what the language model says of it; null where none is asked
 * @param proposedTrigger the word that the language model proposes; null where none is asked, or it has a trigger of its own
 * @param segmentationPrompt what the language model says masks are to find; null where none is asked
 */
@RecordBuilder
public record ReportedConcept(
        String name,
        ConceptMode mode,
        @Nullable String trigger,
        @Nullable String noun,
        @Nullable String description,
        @Nullable String proposedTrigger,
        @Nullable String segmentationPrompt) {}
