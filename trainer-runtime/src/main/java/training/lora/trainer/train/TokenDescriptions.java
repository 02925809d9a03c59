package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.api.OptimizerType;
import training.lora.api.TokensSpec;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.model.PromptEncoder;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.train.objective.PromptDistance;
import training.lora.trainer.train.objective.PromptNorm;
import training.lora.trainer.train.optimizer.Optimizer;
import training.lora.trainer.train.optimizer.Rates;

/**
 * Brings the prompts of new tokens near to descriptions of their concepts before the training, by text encoders alone, as Eden's
 * trainer ({@code token_warmup_steps}): 0.2 of {@link PromptDistance} with the regularizers of tokens, of which that of the
 * deviation has a weight of 0.5. It depends on the configuration and the model alone.
 */
final class TokenDescriptions {
    private static final Logger LOG = LoggerFactory.getLogger(TokenDescriptions.class);

    private static final double WEIGHT = 0.2;

    private static final double DEVIATION_WEIGHT = 0.5;

    /** Of AdamW where the tokens' own rate is one that Prodigy multiplies. */
    private static final double RATE = 1e-3;

    private TokenDescriptions() {}

    /**
     * Trains {@code tokens} in place.
     *
     * @param descriptions by trigger; tokens of other triggers are held by their regularizers alone
     * @param between called before each step, to end it
     * @return the distance before and after
     */
    static double[] train(
            TokenEmbeddings tokens,
            Map<String, String> descriptions,
            TrainingSpec training,
            PromptEncoder prompts,
            Runnable between,
            NDManager parent) {
        Integer steps = training.tokens().descriptionSteps();
        if (steps == null || descriptions.isEmpty()) {
            throw new IllegalArgumentException(
                    "steps and descriptions must be given, were %s and %s".formatted(steps, descriptions));
        }
        TrainingSpec settings = settings(training);
        double rate = settings.tokens().highestLearningRate();
        Double normWeight = training.tokens().promptNormWeight();
        PromptNorm norm = PromptNorms.norm(prompts, training.tokens());
        try (NDManager manager = parent.newSubManager();
                // Its gradients are not those of the training.
                TokenEmbeddings trained = tokens.with(tokens.parameters()).trainable();
                TokenTraining own = new TokenTraining(trained, settings, prompts.vocabularies(), manager);
                Optimizer optimizer = own.optimizer()) {
            List<String> texts = List.copyOf(descriptions.keySet());
            TextEmbedding target = prompts.encode(manager, new ArrayList<>(descriptions.values()));
            double[] distances = new double[2];
            for (int step = 0; step <= steps; step++) {
                between.run();
                try (NDManager scope = manager.newSubManager()) {
                    ProjectionDeltas deltas = new ProjectionDeltas(Map.of(), 0, trained.bind(scope));
                    if (step == steps) {
                        distances[1] = PromptDistance.of(prompts.encode(scope, texts, deltas), target, 1, scope)
                                .read();
                        break;
                    }
                    PromptEncoder.Recording recording = prompts.record(scope, texts, deltas, Keep.LayerStates);
                    TextEmbedding embedding = recording.embedding();
                    PromptDistance.Value distance = PromptDistance.of(embedding, target, WEIGHT, scope);
                    if (step == 0) {
                        distances[0] = distance.read() / WEIGHT;
                    }
                    if (normWeight != null) {
                        distance.gradient()
                                .context()
                                .addi(norm.of(embedding.context(), normWeight, scope)
                                        .gradient());
                    }
                    recording.backward(distance.gradient());
                    own.regularize((loss, value) -> {}, scope);
                    optimizer.step(trained.gradient(), Rates.constant(step, rate, 1), scope);
                    own.keep(scope);
                }
            }
            LOG.info(
                    "tokens were trained for {} steps on the descriptions of {}: distance {} before, {} after",
                    steps,
                    texts,
                    distances[0],
                    distances[1]);
            return distances;
        }
    }

    /** AdamW's at a constant rate, with the weight that the deviation's loss has here, and in the basis where tokens are kept in one. */
    private static TrainingSpec settings(TrainingSpec training) {
        TokensSpec given = training.tokens();
        Map<String, Object> tokens = new LinkedHashMap<>();
        tokens.put("count", given.count());
        tokens.put("learningRate", given.optimizer() == OptimizerType.Prodigy ? RATE : given.highestLearningRate());
        tokens.put("weightDecay", given.weightDecay());
        tokens.put("deviationWeight", given.deviationWeight() > 0 ? DEVIATION_WEIGHT : 0);
        tokens.put("covarianceWeight", given.covarianceWeight());
        tokens.put("basis", given.basis());
        Map<String, Object> optimizer =
                Map.of("maxGradientNorm", training.optimizer().maxGradientNorm());
        return Json.MAPPER.convertValue(Map.of("tokens", tokens, "optimizer", optimizer), TrainingSpec.class);
    }
}
