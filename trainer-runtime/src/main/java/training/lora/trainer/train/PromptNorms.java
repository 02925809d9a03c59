package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.TokensSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.model.PromptEncoder;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.train.objective.LossTerm;
import training.lora.trainer.train.objective.PromptNorm;

/** Losses that hold the length of prompts' embeddings while new tokens are trained: of a step's captions, and of the triggers. */
final class PromptNorms {
    /** What is said of a trigger; four short prompts, as in Eden's trainer. */
    private static final List<String> PROMPTS = List.of("%s", "a picture of %s", "%s and %s", "%s beside %s");

    private final PromptEncoder prompts;
    private final Keep keep;
    private final LoraAdapter adapter;
    private final List<String> triggers;
    private final PromptNorm norm;
    private final @Nullable Double ofCaptions;
    private final @Nullable Double ofTriggers;

    /**
     * Of tokens of an adapter.
     *
     * @param keep what of recorded passes is kept
     * @param adapter with the tokens, trainable
     */
    PromptNorms(PromptEncoder prompts, Keep keep, LoraAdapter adapter, TokenEmbeddings tokens, TokensSpec settings) {
        this.prompts = prompts;
        this.keep = keep;
        this.adapter = adapter;
        this.triggers = tokens.words().stream().map(TokenEmbeddings.Word::text).toList();
        this.norm = norm(prompts, settings);
        this.ofCaptions = settings.promptNormWeight();
        this.ofTriggers = settings.triggerNormWeight();
    }

    /** What holds the length of what {@code prompts} make, as {@code settings} say or else by the family. */
    static PromptNorm norm(PromptEncoder prompts, TokensSpec settings) {
        Double target = settings.promptNorm();
        boolean xl = prompts.vocabularies().size() > 1;
        return new PromptNorm(target != null ? target : xl ? PromptNorm.SDXL : PromptNorm.SD15);
    }

    /**
     * The loss of a step's captions.
     *
     * @param context what text encoders make of them (B, S, D)
     * @param share of the step's samples
     * @return with its gradient (B, S, D), in {@code scope}; null where they have no such loss
     */
    LossTerm.@Nullable Value ofCaptions(NDArray context, double share, NDManager scope) {
        return ofCaptions == null ? null : norm.of(context, share * ofCaptions, scope);
    }

    /**
     * Adds the gradient of a trigger's prompts to what is trained of text encoders; triggers take turns by {@code step}.
     *
     * @return the loss, times its weight, a scalar in {@code scope}; null where there is none
     */
    @Nullable NDArray addOfTriggers(int step, NDManager scope) {
        if (ofTriggers == null) {
            return null;
        }
        String trigger = triggers.get(step % triggers.size());
        List<String> texts =
                PROMPTS.stream().map(prompt -> prompt.replace("%s", trigger)).toList();
        PromptEncoder.Recording recording = prompts.record(scope, texts, adapter.bind(scope), keep);
        TextEmbedding embedding = recording.embedding();
        NDArray pooled = embedding.pooled();
        LossTerm.Value value = norm.of(embedding.context(), ofTriggers, scope);
        recording.backward(new TextEmbedding(value.gradient(), pooled == null ? null : scope.zeros(pooled.getShape())));
        return value.loss();
    }
}
