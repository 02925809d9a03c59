package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.AdapterFormat;
import training.lora.api.ConceptSpec;
import training.lora.api.RunSpec;
import training.lora.api.TrainingSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.export.ExportMetadata;
import training.lora.trainer.export.ExportProof;
import training.lora.trainer.export.WholeModel;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.order.BatchOrder;
import training.lora.trainer.order.RunLength;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.train.progress.Trained;
import training.lora.trainer.train.progress.TrainedAdapter;
import training.lora.trainer.train.progress.TrainedModel;
import training.lora.trainer.train.progress.TrainingMetadata;
import training.lora.trainer.trained.SamplePictures;

/**
 * What a run trains.
 *
 * @param step that moves it
 * @param trained how it is saved, and what checkpoints have of it
 * @param readsTexts whether captions are embedded at every step
 * @param size of it, in words
 * @param metadata what files say of themselves
 * @param release frees it
 */
record Trainee(
        TrainingStep step, Trained trained, boolean readsTexts, String size, ExportMetadata metadata, Runnable release)
        implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Trainee.class);

    /** What the run of {@code context} trains, as it is before the first step. */
    static Trainee of(
            RunContext context, PreparedDataset data, StableDiffusion model, MemoryChoice memory, NDManager manager) {
        RunSpec run = context.run();
        RunLength length = BatchOrder.length(run.spec(), data.manifest().samples());
        ExportMetadata metadata = TrainingMetadata.of(run, length, context.baseModel(), model, data);
        return run.spec().training().trainsModel()
                ? model(context, model, metadata, manager)
                : adapter(context, data, model, memory, metadata, manager);
    }

    private static Trainee model(
            RunContext context, StableDiffusion model, ExportMetadata metadata, NDManager manager) {
        RunSpec run = context.run();
        boolean texts = run.spec().training().adapter().textEncoder();
        FullStep step = new FullStep(
                model.unet(),
                texts ? model.prompts() : null,
                NoiseSchedule.of(model.schedule()),
                run.spec().training(),
                manager);
        if (run.spec().output().formats().contains(AdapterFormat.Kohya) && !model.hasClipVocabulary()) {
            LOG.warn(
                    "{} will be of little use: it has no place for the base model's tokenizer, whose vocabulary isn't CLIP's, so that neither this program nor others read prompts with it; take the folder {} (format Diffusers)",
                    Publisher.kohyaName(run),
                    Publisher.MODEL);
        }
        WholeModel whole = WholeModel.of(context.baseModel(), model, texts).with(step.optimizer()::output);
        Trained trained = new TrainedModel(run, whole, step.optimizer());
        String size = "%d parameters of the denoiser%s"
                .formatted(step.optimizer().size(), texts ? " and the text encoders" : "");
        return new Trainee(step, trained, texts, size, metadata, step::close);
    }

    private static Trainee adapter(
            RunContext context,
            PreparedDataset data,
            StableDiffusion model,
            MemoryChoice memory,
            ExportMetadata metadata,
            NDManager manager) {
        RunSpec run = context.run();
        TrainingSpec training = run.spec().training();
        WithoutEffect.of(run.spec(), SamplePictures.prompts(run.spec(), data)).forEach(LOG::warn);
        LoraAdapter adapter = NewAdapter.of(context, model, manager);
        Networks networks = new Networks(model.unet(), adapter.adaptsText() ? model.prompts() : null, memory.keep());
        // It is a part of what the adapter begins with.
        KeyLock lock = training.tokens().locksKeys()
                ? new KeyLock(
                        model.prompts(),
                        model::weight,
                        adapter.trainable(),
                        Concepts.byTrigger(run.spec().datasets(), ConceptSpec::classNoun),
                        manager)
                : null;
        LoraStep step = new LoraStep(networks, adapter, NoiseSchedule.of(model.schedule()), training, lock, manager);
        Trained trained = new TrainedAdapter(
                run,
                adapter,
                step::output,
                step.optimizers(),
                new ExportProof(model, manager),
                TrainingMetadata.workflow(run, metadata, data, model.schedule()));
        String size = size(adapter);
        return new Trainee(step, trained, adapter.adaptsText(), size, metadata, () -> {
            step.close();
            adapter.close();
        });
    }

    private static String size(LoraAdapter adapter) {
        TokenEmbeddings tokens = adapter.tokens();
        String words = tokens == null
                ? ""
                : "the embeddings of "
                        + tokens.words().stream()
                                .map(TokenEmbeddings.Word::text)
                                .collect(Collectors.joining(", "));
        if (adapter.projections().isEmpty()) {
            return words;
        }
        return "%d parameters in %d projections%s"
                .formatted(
                        adapter.parameters().size(),
                        adapter.projections().size(),
                        words.isEmpty() ? "" : " and " + words);
    }

    @Override
    public void close() {
        release.run();
    }
}
