package training.lora.trainer.export;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterFormat;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.api.TrainingMethod;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.AdaptedProjection;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.Dora;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.adapter.LoraAdapter.Factors;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.adapter.TokenEmbeddings;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.LazyTensor;

/** Adapters from files and as files hold them. */
public final class AdapterFiles {
    private AdapterFiles() {}

    /**
     * Reads {@code file}, in any form, for {@code model}.
     *
     * @throws TrainerException InvalidConfiguration if it is no LoRA, or one of another family
     */
    public static LoraAdapter read(Path file, StableDiffusion model, NDManager manager) {
        List<Projection> all = projections(model, model.unet());
        try (AdapterFile opened = open(file, model, model.unet())) {
            Map<String, Map<Component, LazyTensor>> tokens = opened.tokens();
            TokenEmbeddings added = tokens.isEmpty() ? null : TokenFiles.of(tokens, file, model, manager);
            LoraAdapter adapter = LoraAdapter.of(all, factors(opened, all), model::weight, manager);
            return added == null ? adapter : adapter.with(added);
        }
    }

    /**
     * The same with embeddings of new tokens beside it.
     *
     * @param file null for embeddings alone
     * @param embeddings files of one word each, whose names are the words
     * @return null where nothing is read
     * @throws TrainerException InvalidConfiguration as for one file, and if both bring embeddings
     */
    public static @Nullable LoraAdapter read(
            @Nullable Path file, List<Path> embeddings, StableDiffusion model, NDManager manager) {
        LoraAdapter adapter = file == null ? null : read(file, model, manager);
        if (embeddings.isEmpty()) {
            return adapter;
        }
        if (adapter != null && adapter.tokens() != null) {
            adapter.close();
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "--embedding must not be given where --lora bundles embeddings, as %s does".formatted(file));
        }
        LoraAdapter beside = adapter == null ? LoraAdapter.of(List.of(), Map.of(), manager) : adapter;
        return beside.with(TokenFiles.read(embeddings, model, manager));
    }

    /** All that an adapter can stand beside: the denoiser's, then the text encoders'. */
    public static List<Projection> projections(StableDiffusion model, UNet unet) {
        List<Projection> all = new ArrayList<>(unet.projections());
        all.addAll(model.textProjections());
        return all;
    }

    /** Opens {@code file}, in any form, for {@code model}, whose names of modules may be others than the published models'. */
    public static AdapterFile open(Path file, StableDiffusion model) {
        return open(file, model, model.unet());
    }

    /** The same with {@code unet}, the model's denoiser, which may be without weights. */
    public static AdapterFile open(Path file, StableDiffusion model, UNet unet) {
        return AdapterFile.open(file, new UNetStateDictAdapter(unet.config()), model.family());
    }

    /**
     * What a training begins with: a new adapter, or one that goes on from a file.
     *
     * @param from the file to go on from, null for none
     * @throws TrainerException InvalidConfiguration if the targets or the file don't fit the model or each other
     */
    public static LoraAdapter start(
            LoraTrainingSpec spec, @Nullable Path from, StableDiffusion model, NDManager manager) {
        try (AdapterFile opened = from == null ? null : begun(open(from, model))) {
            Map<String, Factors> begin = opened == null ? Map.of() : factors(opened, projections(model, model.unet()));
            LoraSettings settings = LoraSettings.of(spec);
            return LoraAdapter.create(
                    plan(spec, from, begin, model, model.unet()),
                    settings,
                    spec.training().seed(),
                    begin,
                    model::weight,
                    manager);
        }
    }

    /**
     * Refuses what {@link #start} would, before weights are read.
     *
     * @param unet the model's denoiser, with or without weights
     */
    public static void check(LoraTrainingSpec spec, @Nullable Path from, StableDiffusion model, UNet unet) {
        try (AdapterFile opened = from == null ? null : begun(open(from, model, unet))) {
            plan(spec, from, opened == null ? Map.of() : factors(opened, projections(model, unet)), model, unet);
        }
    }

    /** Tokens that a file bundles can't be gone on from: they would be lost without a word. */
    private static AdapterFile begun(AdapterFile file) {
        if (!file.tokens().isEmpty()) {
            file.close();
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.training.initFrom` must be an adapter without embeddings of tokens, which no training goes on from, but %s bundles those of %s"
                            .formatted(
                                    file.file(), String.join(", ", file.tokens().keySet())));
        }
        return file;
    }

    private static List<AdaptedProjection> plan(
            LoraTrainingSpec spec, @Nullable Path from, Map<String, Factors> begin, StableDiffusion model, UNet unet) {
        TrainingSpec training = spec.training();
        if (training.method() != TrainingMethod.Adapter) {
            return List.of();
        }
        boolean texts = training.adapter().textEncoder();
        if (!texts && begin.keySet().stream().anyMatch(path -> Projection.componentOf(path) != Component.UNet)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.training.adapter.textEncoder` must be true where `spec.training.initFrom` adapts text encoders, as "
                            + from + " does");
        }
        List<AdaptedProjection> plan =
                LoraAdapter.plan(texts ? projections(model, unet) : unet.projections(), LoraSettings.of(spec), begin);
        if (texts && plan.stream().allMatch(p -> p.projection().component() == Component.UNet)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.training.adapter.targets` must match a module of the text encoders where `textEncoder` is true, but %s match none"
                            .formatted(training.adapter().targets()));
        }
        return plan;
    }

    /** The adapter as files of {@code format} hold it. */
    static List<AdapterModule> modules(LoraAdapter adapter, AdapterFormat format) {
        Dora.Norm norm = DoraNorms.of(format);
        return adapter.projections().stream()
                .map(p -> {
                    Map<AdapterPart, LazyTensor> values = adapter.values(p, norm);
                    return new AdapterModule(
                            new ModuleForm(
                                    p.projection().component(),
                                    p.projection().modulePath(),
                                    p.kind() instanceof Dora dora ? new Dora(dora.product(), norm) : p.kind(),
                                    shapes(values)),
                            values);
                })
                .toList();
    }

    private static Map<AdapterPart, Shape> shapes(Map<AdapterPart, LazyTensor> values) {
        Map<AdapterPart, Shape> shapes = new EnumMap<>(AdapterPart.class);
        values.forEach((part, value) -> shapes.put(part, value.shape()));
        return shapes;
    }

    /**
     * The factors of a file by the projection's path; their values can be read until it is closed.
     *
     * @throws TrainerException InvalidConfiguration if a module fits none of {@code projections}, with all of these
     */
    public static Map<String, Factors> factors(AdapterFile file, List<Projection> projections) {
        List<String> elsewhere = file.onlyElsewhere();
        if (!elsewhere.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must adapt attention, feed-forwards and convolutions of the denoiser and layers of text encoders alone, but adapts %s"
                            .formatted(file.file(), listed(elsewhere, ", ")));
        }
        Map<String, Projection> byPath = new LinkedHashMap<>();
        projections.forEach(p -> byPath.put(p.path(), p));
        List<String> problems = new ArrayList<>();
        Map<String, Factors> result = new LinkedHashMap<>();
        for (AdapterModule module : file.modules()) {
            ModuleForm m = module.form();
            long in = m.fanIn();
            long out = m.out();
            Projection p = byPath.get(Projection.path(m.component(), m.path()));
            if (p == null) {
                problems.add("it has no " + Projection.path(m.component(), m.path()) + " that could be adapted");
            } else if (in != p.fanIn() || out != p.out()) {
                problems.add("its %s maps %d to %d features, the file's %d to %d"
                        .formatted(p.path(), p.fanIn(), p.out(), in, out));
            } else {
                result.put(p.path(), new Factors(m.kind().folded(), module.values()));
            }
        }
        if (!problems.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must be a LoRA of the base model's family: %s".formatted(file.file(), listed(problems, "; ")));
        }
        return result;
    }

    private static String listed(List<String> all, String between) {
        return String.join(between, all.subList(0, Math.min(3, all.size())))
                + (all.size() > 3 ? between + "and " + (all.size() - 3) + " more" : "");
    }
}
