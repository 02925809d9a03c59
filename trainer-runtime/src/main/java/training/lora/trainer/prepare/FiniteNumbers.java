package training.lora.trainer.prepare;

import ai.djl.ndarray.NDArray;
import training.lora.api.BaseModelSpec;
import training.lora.api.ModelFamily;
import training.lora.api.Reason;
import training.lora.api.Uris;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.LatentMoments;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.tensor.Finite;

/**
 * Sees to it that what networks make of pictures and captions are numbers: trained on others, a run looks like one whose
 * learning rate is too high. Both networks compute in fp32 here, so that it is their weights which are wrong.
 *
 * @param base the base model as the spec names it
 * @param family its family
 */
record FiniteNumbers(BaseModelSpec base, ModelFamily family) {
    /** @param i the picture's place in the batch */
    void require(LatentMoments latents, int i, String picture) {
        if (Finite.all(latents.mean().get(i)) && Finite.all(latents.std().get(i))) {
            return;
        }
        String own = "the autoencoder of the base model " + Uris.shown(base.uri());
        String which = base.vae() == null
                ? own
                : "the autoencoder `spec.baseModel.vae` "
                        + Uris.shown(base.vae().uri());
        String others = family == ModelFamily.SDXL ? ", for SDXL the original in fp32 or sdxl-vae-fp16-fix" : "";
        throw wrong(
                "the latents of %s must be finite numbers, but %s gives others: its weights are damaged, as by a conversion to fp16 that overflowed. Name another in `spec.baseModel.vae`%s; it computes in fp32 whatever `spec.training.precision` says"
                        .formatted(picture, which, others));
    }

    /** @param what was embedded */
    void require(TextEmbedding embedding, String what) {
        NDArray pooled = embedding.pooled();
        if (Finite.all(embedding.context()) && (pooled == null || Finite.all(pooled))) {
            return;
        }
        throw wrong(
                "the embedding of %s must be finite numbers, but the text encoder of the base model %s gives others: its weights are damaged, as by a conversion to fp16 that overflowed"
                        .formatted(what, Uris.shown(base.uri())));
    }

    private static TrainerException wrong(String sentence) {
        return new TrainerException(Reason.InvalidBaseModel, sentence);
    }
}
