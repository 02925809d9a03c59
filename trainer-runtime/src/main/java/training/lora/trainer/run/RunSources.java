package training.lora.trainer.run;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.AestheticSpec;
import training.lora.api.BaseAdapterSpec;
import training.lora.api.CaptionSource;
import training.lora.api.CaptionsSpec;
import training.lora.api.ClipSpec;
import training.lora.api.InitFromSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.MaskSpec;
import training.lora.api.ModelSpec;
import training.lora.api.Reason;
import training.lora.api.SafetySpec;
import training.lora.api.SecretRef;
import training.lora.api.SourceSpec;
import training.lora.api.VaeSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.source.Source;
import training.lora.trainer.source.Use;

/**
 * What a spec names as places to read from.
 *
 * @param spec the spec
 */
public record RunSources(LoraTrainingSpec spec) {
    private static final String BUNDLED = "bundled://";

    private static final String BUNDLED_CLIP = "bundled://emoji-clip";

    private static final String BUNDLED_SEGMENTER = "bundled://emoji-clipseg";

    private static final String BUNDLED_FACES = "bundled://faces";

    /** All of them, those that the spec implies too. */
    public List<Source> all() {
        List<Source> all = new ArrayList<>();
        all.addAll(wholeBaseModel());
        add(all, initFrom());
        all.addAll(datasets());
        all.addAll(preparing());
        if (spec.evaluation().enabled()) {
            all.addAll(measuring());
        }
        return all;
    }

    private static void add(List<Source> all, @Nullable Source source) {
        if (source != null) {
            all.add(source);
        }
    }

    public Source baseModel() {
        return of("spec.baseModel", spec.baseModel(), Use.BaseModel);
    }

    /** The autoencoder that takes the place of the model's own; null where none does. */
    public @Nullable Source vae() {
        VaeSpec vae = spec.baseModel().vae();
        return vae == null ? null : of("spec.baseModel.vae", vae, Use.Vae);
    }

    /** The adapters that are a part of the base model, in the spec's order. */
    public List<Source> baseAdapters() {
        List<BaseAdapterSpec> adapters = spec.baseModel().merged();
        List<Source> all = new ArrayList<>();
        for (int i = 0; i < adapters.size(); i++) {
            all.add(of("spec.baseModel.adapters[" + i + "]", adapters.get(i), Use.BaseAdapter));
        }
        return all;
    }

    /** All that the base model is made of. */
    public List<Source> wholeBaseModel() {
        List<Source> all = new ArrayList<>(List.of(baseModel()));
        add(all, vae());
        all.addAll(baseAdapters());
        return all;
    }

    /** The adapter to go on from; null for a new one. */
    public @Nullable Source initFrom() {
        InitFromSpec from = spec.training().initFrom();
        return from == null ? null : of("spec.training.initFrom", from, Use.InitFrom);
    }

    /** The CLIP model that measures. */
    public Source clip() {
        ClipSpec clip = spec.evaluation().clip();
        String field = "spec.evaluation.clip";
        if (clip != null) {
            return of(field, clip, Use.Clip);
        }
        if (!bundledBase()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.evaluation.clip.uri` must name a CLIP model (or `spec.evaluation.enabled` be false), because"
                            + " the base model " + baseModel().shown() + " comes with none");
        }
        return new Source(field + ".uri", BUNDLED_CLIP, Use.Clip, null, null);
    }

    /** The head that makes an aesthetic score of CLIP's vectors; null where that is not measured. */
    public @Nullable Source aesthetic() {
        AestheticSpec head = spec.evaluation().aesthetic();
        return head == null ? null : of("spec.evaluation.aesthetic", head, Use.Aesthetic);
    }

    /** The model that tells people apart; null where faces are not measured. */
    public @Nullable Source faces() {
        ModelSpec faces = spec.evaluation().faces();
        return faces == null ? null : of("spec.evaluation.faces", faces, Use.Onnx);
    }

    /** The models that find the faces that are measured. */
    public Source faceFinder() {
        return new Source("spec.evaluation.faces.uri", BUNDLED_FACES, Use.Faces, null, null);
    }

    /** What measures: the CLIP model and what stands on it. */
    public List<Source> measuring() {
        List<Source> all = new ArrayList<>(List.of(clip()));
        add(all, aesthetic());
        add(all, faces());
        return all;
    }

    /** Whether the base model comes with the trainer, as do the models that it knows what to do with. */
    public boolean bundledBase() {
        return spec.baseModel().uri().startsWith(BUNDLED);
    }

    /** The data sets, in the spec's order. */
    public List<Source> datasets() {
        List<Source> all = new ArrayList<>();
        for (int i = 0; i < spec.datasets().size(); i++) {
            all.add(of("spec.datasets[" + i + "]", spec.datasets().get(i), Use.Dataset));
        }
        return all;
    }

    /** The models that help to prepare. */
    public List<Source> preparing() {
        List<Source> all = new ArrayList<>();
        add(all, maskModel());
        add(all, upscaler());
        add(all, safetyModel());
        add(all, captionModel());
        return all;
    }

    /** The model that captions; null where none does. */
    public @Nullable Source captionModel() {
        return captionModel("spec.preparation.captions", spec.preparation().captions());
    }

    /**
     * The model that captions.
     *
     * @param field that has {@code captions}
     */
    public static @Nullable Source captionModel(String field, CaptionsSpec captions) {
        ModelSpec model = captions.model();
        return model == null ? null : of(field + ".model", model, captionUse(captions.source()));
    }

    private static Use captionUse(CaptionSource source) {
        return switch (source) {
            case Tagger -> Use.Onnx;
            case Florence2 -> Use.Florence;
            default -> Use.Blip;
        };
    }

    /** The model that enlarges small pictures; null where none does. */
    public @Nullable Source upscaler() {
        ModelSpec model = spec.preparation().upscale().model();
        return model == null ? null : of("spec.preparation.upscale.model", model, Use.Onnx);
    }

    /** The model that makes masks; null where none does. */
    public @Nullable Source maskModel() {
        MaskSpec mask = spec.preparation().mask();
        ModelSpec model = mask.model();
        String field = "spec.preparation.mask.model";
        return switch (mask.source()) {
            case None, Alpha, Files -> null;
            case Segment -> model == null ? bundledSegmenter(field) : of(field, model, Use.Onnx);
            case Face ->
                model == null
                        ? new Source(field + ".uri", BUNDLED_FACES, Use.Faces, null, null)
                        : of(field, model, Use.Faces);
        };
    }

    /** The classifier that looks at pictures; null where none does. */
    public @Nullable Source safetyModel() {
        SafetySpec safety = spec.preparation().safety();
        return safety == null || safety.model() == null
                ? null
                : of("spec.preparation.safety.model", safety.model(), Use.Onnx);
    }

    private Source bundledSegmenter(String field) {
        if (!spec.baseModel().uri().startsWith(BUNDLED)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.preparation.mask.model.uri` must name a CLIPSeg model, such as hf://Xenova/clipseg-rd64-refined, because the base model %s comes with none"
                            .formatted(baseModel().shown()));
        }
        return new Source(field + ".uri", BUNDLED_SEGMENTER, Use.Onnx, null, null);
    }

    private static Source of(String field, SourceSpec spec, Use use) {
        SecretRef secret = spec.secretRef();
        return new Source(field + ".uri", spec.uri(), use, spec.sha256(), secret == null ? null : secret.name());
    }
}
