package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiConsumer;
import training.lora.api.Json;
import training.lora.api.OptimizerSpec;
import training.lora.api.ScheduleSpec;
import training.lora.api.ScheduleType;
import training.lora.api.TokensSpec;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.model.layer.AddedTokens;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.text.Vocabulary;
import training.lora.trainer.train.objective.AddedLoss;
import training.lora.trainer.train.objective.TokenRegularizer;
import training.lora.trainer.train.optimizer.Optimizer;
import training.lora.trainer.train.optimizer.ParameterGroup;
import training.lora.trainer.train.optimizer.ParameterGroupBuilder;
import training.lora.trainer.train.optimizer.ParameterTable;
import training.lora.trainer.train.optimizer.ParameterTensor;

/** How the embeddings of new tokens move: an optimizer of their own, and losses that are theirs alone. */
final class TokenTraining implements AutoCloseable {
    /** How the names of the optimizer's state begin. */
    static final String PREFIX = "tokens.";

    private final TokenEmbeddings tokens;
    private final Map<Component, TokenRegularizer> regularizers = new EnumMap<>(Component.class);
    private final Optimizer optimizer;

    /** @param tokens trainable ones */
    TokenTraining(TokenEmbeddings tokens, TrainingSpec training, List<Vocabulary> vocabularies, NDManager manager) {
        this.tokens = tokens;
        TokensSpec settings = training.tokens();
        // A mean over the text encoders.
        double share = 1.0 / vocabularies.size();
        for (Vocabulary vocabulary : vocabularies) {
            regularizers.put(
                    vocabulary.encoder(),
                    new TokenRegularizer(
                            vocabulary.table(),
                            share * settings.deviationWeight(),
                            share * settings.covarianceWeight(),
                            manager));
        }
        optimizer = Optimizer.of(optimizer(training), table(tokens, training), tokens.parameters(), manager);
    }

    private static OptimizerSpec optimizer(TrainingSpec training) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("type", training.tokens().optimizer());
        settings.put("learningRate", training.tokens().highestLearningRate());
        settings.put("weightDecay", training.tokens().weightDecay());
        settings.put("maxGradientNorm", training.optimizer().maxGradientNorm());
        return Json.MAPPER.convertValue(settings, OptimizerSpec.class);
    }

    private static ParameterTable table(TokenEmbeddings tokens, TrainingSpec training) {
        TokensSpec settings = training.tokens();
        ParameterGroup group = ParameterGroupBuilder.builder()
                .rate(settings.highestLearningRate())
                .schedule(schedule(settings))
                .factor(1)
                .weightDecay(settings.weightDecay())
                .start(0)
                .stop(training.tokensStop())
                .build();
        List<ParameterTensor> tensors = new ArrayList<>();
        long offset = 0;
        for (Map.Entry<Component, Long> encoder : tokens.widths().entrySet()) {
            Shape shape = new Shape(tokens.count(), encoder.getValue());
            tensors.add(new ParameterTensor(encoder.getKey().folder(), offset, shape, 0));
            offset += shape.size();
        }
        return new ParameterTable(tensors, List.of(group));
    }

    private static ScheduleSpec schedule(TokensSpec settings) {
        Map<String, Object> schedule = new LinkedHashMap<>();
        double power = settings.power();
        schedule.put("type", power == 0 ? ScheduleType.Constant : ScheduleType.Polynomial);
        schedule.put("warmupSteps", settings.warmupSteps());
        if (power > 0) {
            schedule.put("power", power);
        }
        return Json.MAPPER.convertValue(schedule, ScheduleSpec.class);
    }

    /** What moves them. */
    Optimizer optimizer() {
        return optimizer;
    }

    /**
     * Adds the gradient of the losses that are theirs alone.
     *
     * @param loss is given each that there is, times its weight, a scalar in {@code scope}; of one a value for each text encoder
     */
    void regularize(BiConsumer<AddedLoss, NDArray> loss, NDManager scope) {
        AddedTokens bound = tokens.bind(scope);
        regularizers.forEach((encoder, regularizer) -> {
            AddedTokens.Rows rows = Objects.requireNonNull(bound.of(encoder));
            NDArray gradient = Objects.requireNonNull(rows.gradient());
            regularizer.addTo(gradient, rows.embeddings(), scope).forEach(loss);
        });
    }

    /** Moves them back, after a step, to where they are to stay. */
    void keep(NDManager scope) {
        tokens.keep(scope);
    }

    @Override
    public void close() {
        regularizers.values().forEach(TokenRegularizer::close);
    }
}
