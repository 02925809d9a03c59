package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.ConceptSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.api.TokenBasisSpec;
import training.lora.api.TokensSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.WholeWords;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.adapter.TokenEmbeddings.Word;
import training.lora.trainer.adapter.TokenSpan;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.text.Vocabulary;
import training.lora.trainer.run.RunContext;

/** What a training begins with: its adapter, and the tokens that it gives the triggers of its concepts. */
final class NewAdapter {
    private static final Logger LOG = LoggerFactory.getLogger(NewAdapter.class);

    private NewAdapter() {}

    /** What the run of {@code context} trains, as it is before the first step: an adapter, with tokens where it asks for some. */
    static LoraAdapter of(RunContext context, StableDiffusion model, NDManager manager) {
        LoraTrainingSpec spec = context.run().spec();
        LoraAdapter adapter = AdapterFiles.start(spec, context.initFrom(), model, manager);
        if (!spec.training().tokens().any()) {
            return adapter;
        }
        TokenEmbeddings tokens = tokens(spec, model, manager);
        if (spec.training().tokens().descriptionSteps() != null) {
            // Whatever depends on what tokens begin as, such as averages and Prodigy's d, is made behind it.
            TokenDescriptions.train(
                    tokens,
                    descriptions(spec),
                    spec.training(),
                    model.prompts(),
                    () -> context.stopIfAsked("while it trained tokens on descriptions, which begins anew"),
                    manager);
        }
        return adapter.with(tokens);
    }

    private static TokenEmbeddings tokens(LoraTrainingSpec spec, StableDiffusion model, NDManager manager) {
        TokensSpec tokens = spec.training().tokens();
        Map<String, String> classNames = Concepts.byTrigger(spec.datasets(), ConceptSpec::className);
        List<Vocabulary> vocabularies = model.prompts().vocabularies();
        TokenBasisSpec basis = tokens.basis();
        List<Word> words = Concepts.of(spec.datasets()).triggers().stream()
                .map(trigger -> new Word(
                        trigger,
                        tokens.count(),
                        basis == null
                                ? known(trigger, initial(tokens, classNames.get(trigger)), tokens, vocabularies)
                                : null))
                .toList();
        long seed = spec.training().seed();
        TokenEmbeddings begun = TokenEmbeddings.create(words, vocabularies, WholeWords::of, seed, manager);
        if (basis != null) {
            TokenSpan span = TokenSpan.of(basis, tokens.count(), vocabularies, manager);
            span.begin(begun, seed);
            if (basis.kept()) {
                begun.stay(span);
            } else {
                span.close();
            }
        }
        return begun;
    }

    private static @Nullable String initial(TokensSpec tokens, @Nullable String className) {
        return tokens.initializer() != null ? tokens.initializer() : className;
    }

    /** Words that every text encoder has tokens for; the log says where there are more of these than new ones. */
    private static @Nullable String known(
            String trigger, @Nullable String initial, TokensSpec tokens, List<Vocabulary> vocabularies) {
        if (initial == null) {
            return null;
        }
        Set<Integer> told = new HashSet<>();
        for (Vocabulary vocabulary : vocabularies) {
            int own = vocabulary.tokens().apply(initial).length;
            if (own == 0) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "`spec.training.tokens.initializer` must be words that the text encoders read, was \"%s\""
                                .formatted(initial));
            }
            // XL's vocabularies have the same words.
            if (own > tokens.count() && told.add(own)) {
                LOG.warn(
                        "the new tokens of {} begin as the first {} of the {} tokens of \"{}\"",
                        trigger,
                        tokens.count(),
                        own,
                        initial);
            }
        }
        return initial;
    }

    /** Those of the concepts that are trained. */
    private static Map<String, String> descriptions(LoraTrainingSpec spec) {
        Map<String, String> all = Concepts.byTrigger(spec.datasets(), ConceptSpec::description);
        all.keySet().retainAll(spec.trainedTriggers().toList());
        return all;
    }
}
