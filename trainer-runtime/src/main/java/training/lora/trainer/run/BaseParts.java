package training.lora.trainer.run;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import training.lora.api.BaseAdapterSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.merge.MergedModel;
import training.lora.trainer.merge.Weighted;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.UNets;
import training.lora.trainer.source.Source;

/** What makes a base model the run's beside its own files: adapters that are a part of it, and a denoiser that others have too. */
record BaseParts(RunContext context) {
    /** Gives them to {@code model}, of which nothing may have been read. */
    void complete(StableDiffusion model, NDManager manager) {
        UNets shared = shared();
        if (shared != null) {
            model.share(shared);
        }
        List<Weighted> adapters = adapters();
        if (!adapters.isEmpty()) {
            MergedModel.merge(adapters, model, manager);
        }
    }

    private @Nullable UNets shared() {
        Neighbours neighbours = context.neighbours();
        if (neighbours == Neighbours.NONE) {
            return null;
        }
        if (context.run().spec().training().trainsModel()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.training.method` must not be FullFineTuning in a training that runs together with others, whose denoiser it would change");
        }
        try (FileDigests digests = context.workspace().digests()) {
            return neighbours.unets("%s in %s"
                    .formatted(
                            context.baseModelDigest(digests),
                            context.run().spec().training().precision()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The digest of a base model of digest {@code own}, with its adapters and their shares. */
    String digest(String own, FileDigests digests) throws IOException {
        String digest = own;
        for (Weighted adapter : adapters()) {
            digest = Sha256.of("%s %s %s".formatted(digest, digests.of(adapter.file()), adapter.share()));
        }
        return digest;
    }

    private List<Weighted> adapters() {
        List<BaseAdapterSpec> specs = context.run().spec().baseModel().merged();
        List<Source> places = context.named().baseAdapters();
        return IntStream.range(0, specs.size())
                .mapToObj(i ->
                        new Weighted(context.file(places.get(i)), specs.get(i).share()))
                .toList();
    }
}
