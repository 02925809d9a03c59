package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;
import training.lora.api.OptimizerType;
import training.lora.api.TrainingMethod;

/** ai-toolkit's embedding, alone (without a network) or beside one: new tokens in its trigger's place. */
final class AiToolkitTokens {
    private final Options options;
    private final Options embedding;
    private final Draft draft;

    AiToolkitTokens(Options options, Draft draft) {
        this.options = options;
        this.draft = draft;
        embedding = options.child("embedding");
    }

    /** Whether there is one. */
    boolean any() {
        return options.has("embedding");
    }

    /** Whether tokens are all that is trained. */
    boolean alone() {
        return any() && !options.has("network");
    }

    /**
     * What calls the concept. There too it is put in front of captions that lack it; of several tokens that is done where a
     * caption has the plain trigger alone as well, whose first token then stands there twice, and here once.
     */
    String trigger() {
        return embedding.text("trigger", "custom_embedding");
    }

    /**
     * Sets the fields.
     *
     * @param optimizer what moves them there too
     * @param rate of what has none of its own, as the optimizer takes it
     * @param warmUp steps of the rise to it
     */
    void put(OptimizerType optimizer, double rate, int warmUp) {
        if (alone()) {
            draft.put("embedding", "training.method", TrainingMethod.TextualInversion);
        }
        if (!any()) {
            return;
        }
        int count = embedding.whole("tokens", 4);
        if (count < 1) {
            throw embedding.wrong("tokens", "be at least 1");
        }
        draft.put("embedding.tokens", NewTokens.PATH + "count", count);
        draft.put(
                "embedding.init_words",
                NewTokens.PATH + "initializer",
                NewTokens.initializer(embedding, "init_words", count));
        Options train = options.child("train");
        OptimizerType own = NewTokens.requireOptimizer(train, "optimizer", optimizer);
        draft.put("train.optimizer", NewTokens.PATH + "optimizer", own);
        constants(train.child("optimizer_params"));
        if (embedding.has("trigger_class_name") && train.flag("inverted_mask_prior", false)) {
            options.findings()
                    .note(
                            "`embedding.trigger_class_name` is left out: what train.inverted_mask_prior keeps is predicted with captions as they are, whose trigger there is that class");
        }
        draft.put(train.has("embedding_lr") ? "train.embedding_lr" : "train.lr", NewTokens.PATH + "learningRate", rate);
        draft.put(
                "train.optimizer_params.weight_decay",
                NewTokens.PATH + "weightDecay",
                train.child("optimizer_params").number("weight_decay", Optimizers.decay(optimizer)));
        draft.put(NewTokens.PATH + "deviationWeight", 0);
        if (!train.text("lr_scheduler", "constant").toLowerCase(Locale.ROOT).startsWith("constant")) {
            throw train.wrong("lr_scheduler", "be constant or constant_with_warmup where an embedding is trained");
        }
        draft.put("train.lr_scheduler", NewTokens.PATH + "decayPower", 0);
        if (warmUp > 0) {
            draft.put("train.lr_scheduler_params.num_warmup_steps", NewTokens.PATH + "warmupSteps", warmUp);
        }
        draft.put(NewTokens.PATH + "stopFraction", 1);
    }

    private static void constants(Options parameters) {
        JsonNode betas = parameters.raw("betas");
        if (betas != null && betas.path(0).isNumber() && betas.path(1).isNumber()) {
            NewTokens.Constant.FirstMoment.note(
                    parameters, "betas", betas.path(0).asDouble());
            NewTokens.Constant.SecondMoment.note(
                    parameters, "betas", betas.path(1).asDouble());
        }
        NewTokens.Constant.Coefficient.note(parameters);
        NewTokens.Constant.Growth.note(parameters);
    }
}
