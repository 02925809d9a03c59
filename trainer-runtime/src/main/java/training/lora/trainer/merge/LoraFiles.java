package training.lora.trainer.merge;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.adapter.FullDifference;
import training.lora.trainer.adapter.Lora;
import training.lora.trainer.adapter.LoraSettings;
import training.lora.trainer.adapter.ModuleForm;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.export.Exports;
import training.lora.trainer.export.LoraFamily;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.StoredWeights;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.LazyTensor;

/** LoRAs made of others, or of two checkpoints. What is written has kohya's form and is read back. */
public final class LoraFiles {
    /** A change of a weight below this, of its own greatest number, is rounding where both are stored in one type. */
    private static final double ROUNDING = 1e-6;

    private LoraFiles() {}

    /**
     * Writes the weighted sum of LoRAs, exactly: a module's rank is the sum of theirs.
     *
     * @throws TrainerException InvalidConfiguration if one is no LoRA, or of another family than the others
     */
    public static void sum(List<Weighted> adapters, Path out) throws IOException {
        List<AdapterFile> opened = new ArrayList<>();
        try {
            Map<String, List<Term>> terms = new LinkedHashMap<>();
            for (Weighted adapter : adapters) {
                AdapterFile file = AdapterFile.open(adapter.file());
                opened.add(file);
                for (AdapterModule m : loras(adapter.merged(file))) {
                    terms.computeIfAbsent(
                                    Projection.path(
                                            m.form().component(), m.form().path()),
                                    path -> new ArrayList<>())
                            .add(new Term(m, adapter.share()));
                }
            }
            List<AdapterModule> modules = new ArrayList<>();
            terms.values().forEach(own -> modules.add(sum(own)));
            Exports.write(out, modules, Map.of(), family(opened), Map.of());
        } finally {
            opened.forEach(AdapterFile::close);
        }
    }

    /** What storing a weight in another type may change of it. */
    private static double rounding(StoredWeights.Weight before, StoredWeights.Weight after) {
        Set<String> types = Set.copyOf(List.of(type(before), type(after)));
        if (types.size() == 1) {
            return ROUNDING;
        }
        return types.contains("BF16") ? Math.scalb(1.0, -8) : types.contains("F16") ? Math.scalb(1.0, -11) : ROUNDING;
    }

    private static String type(StoredWeights.Weight weight) {
        return weight.file().entry(weight.stored().key()).dtype();
    }

    private record Term(AdapterModule module, double share) {}

    private static AdapterModule sum(List<Term> terms) {
        ModuleForm first = terms.get(0).module().form();
        int rank = terms.stream().mapToInt(t -> t.module().form().rank()).sum();
        long[] down = first.shape(AdapterPart.Down).getShape().clone();
        long[] up = first.shape(AdapterPart.Up).getShape().clone();
        for (Term t : terms) {
            if (t.module().form().fanIn() != first.fanIn() || t.module().form().out() != first.out()) {
                throw refused(
                        "LoRAs must map the same features to be added up, but %s of one maps %d to %d, of another %d to %d"
                                .formatted(
                                        first.path(),
                                        first.fanIn(),
                                        first.out(),
                                        t.module().form().fanIn(),
                                        t.module().form().out()));
            }
        }
        down[0] = rank;
        up[1] = rank;
        return module(
                first.component(),
                first.path(),
                rank,
                new LazyTensor(new Shape(down), DataType.FLOAT32, scope -> joined(terms, AdapterPart.Down, 0, scope)
                        .reshape(down)),
                new LazyTensor(new Shape(up), DataType.FLOAT32, scope -> joined(terms, AdapterPart.Up, 1, scope)
                        .reshape(up)));
    }

    private static NDArray joined(List<Term> terms, AdapterPart part, int axis, NDManager scope) {
        NDList all = new NDList();
        for (Term t : terms) {
            NDArray value = t.module().value(part).in(scope);
            NDArray rows = value.reshape(value.getShape().get(0), -1);
            all.add(
                    part == AdapterPart.Up
                            ? rows.mul(t.share() * t.module().form().scale())
                            : rows);
        }
        return NDArrays.concat(all, axis);
    }

    /** A module of scale 1. */
    private static AdapterModule module(Component component, String path, int rank, LazyTensor down, LazyTensor up) {
        Map<AdapterPart, LazyTensor> values = new EnumMap<>(Map.of(AdapterPart.Down, down, AdapterPart.Up, up));
        return new AdapterModule(
                new ModuleForm(
                        component,
                        path,
                        new Lora(rank, rank, false),
                        Map.of(AdapterPart.Down, down.shape(), AdapterPart.Up, up.shape())),
                values);
    }

    private static List<AdapterModule> loras(AdapterFile file) {
        for (AdapterModule m : file.modules()) {
            if (!(m.form().kind() instanceof Lora)) {
                throw refused("%s must be a LoRA, for a sum of other kinds is none of them, but is %s"
                        .formatted(file.file(), file.what()));
            }
        }
        return file.modules();
    }

    private static List<AdapterModule> products(AdapterFile file) {
        if (file.modules().isEmpty()) {
            throw refused(
                    "%s must be a LoRA or full differences of weights, but holds nothing that has a rank, only embeddings of %s"
                            .formatted(file.file(), file.tokens().keySet()));
        }
        for (AdapterModule m : file.modules()) {
            if (!(m.form().kind() instanceof Lora || m.form().kind() instanceof FullDifference)) {
                throw refused(
                        "%s must be a LoRA or full differences of weights, for another rank of other kinds is none of them, but is %s"
                                .formatted(file.file(), file.what()));
            }
        }
        return file.modules();
    }

    private static LoraFamily family(List<AdapterFile> files) {
        LoraFamily family = null;
        for (AdapterFile file : files) {
            LoraFamily own = file.family();
            if (own != null && family != null && own != family) {
                throw refused("%s must be of the others' family, %s, but is of %s".formatted(file.file(), family, own));
            }
            family = own == null ? family : own;
        }
        if (family == null) {
            throw refused(files.get(0).file() + " must tell the family of its base model");
        }
        return family;
    }

    private static TrainerException refused(String why) {
        return new TrainerException(Reason.InvalidConfiguration, why);
    }

    /**
     * Writes {@code file}, a LoRA or full differences of weights, with other ranks, of each module the best that there is.
     *
     * @return the least share of the squares of singular values that a module has kept
     */
    public static double resize(Path file, Ranks ranks, Path out, NDManager manager) throws IOException {
        try (AdapterFile opened = AdapterFile.open(file)) {
            List<AdapterModule> modules = new ArrayList<>();
            double least = 1;
            for (AdapterModule m : products(opened)) {
                try (NDManager scope = manager.newSubManager()) {
                    SingularProduct product = product(m, ranks, scope);
                    least = Math.min(least, product.kept());
                    modules.add(resized(m.form(), product));
                }
            }
            Map<String, String> said = new LinkedHashMap<>(opened.metadata());
            said.remove("lora_adapter_metadata");
            if (opened.modules().stream().anyMatch(m -> m.form().kind() instanceof FullDifference)) {
                // They say what it was, which a LoRA isn't.
                List.of("ss_network_module", "ss_network_args", "ss_output_name", "modelspec.title")
                        .forEach(said::remove);
            }
            Exports.write(out, modules, opened.tokens(), family(List.of(opened)), said);
            return least;
        }
    }

    private static SingularProduct product(AdapterModule m, Ranks ranks, NDManager scope) {
        ModuleForm form = m.form();
        if (form.kind() instanceof FullDifference) {
            NDArray difference = m.value(AdapterPart.Diff).in(scope);
            return SingularProduct.of(difference.reshape(form.out(), form.fanIn()), ranks, scope);
        }
        NDArray down = m.value(AdapterPart.Down).in(scope).reshape(form.rank(), -1);
        NDArray up = m.value(AdapterPart.Up).in(scope).reshape(-1, form.rank());
        return SingularProduct.of(down, up, form.scale(), ranks, scope);
    }

    private static AdapterModule resized(ModuleForm form, SingularProduct product) {
        if (!(form.kind() instanceof FullDifference)) {
            return module(
                    form.component(),
                    form.path(),
                    product,
                    form.shape(AdapterPart.Down).getShape(),
                    form.shape(AdapterPart.Up).getShape());
        }
        long[] down = form.shape(AdapterPart.Diff).getShape();
        long[] up = down.clone();
        Arrays.fill(up, 1);
        up[0] = down[0];
        return module(form.component(), form.path(), product, down, up);
    }

    /** Values are kept on the heap: factors are small. */
    private static AdapterModule module(
            Component component, String path, SingularProduct product, long[] down, long[] up) {
        int rank = (int) product.down().getShape().get(0);
        long[] downShape = down.clone();
        long[] upShape = up.clone();
        downShape[0] = rank;
        upShape[1] = rank;
        return module(component, path, rank, held(product.down(), downShape), held(product.up(), upShape));
    }

    private static LazyTensor held(NDArray array, long[] shape) {
        float[] values = array.toFloatArray();
        return new LazyTensor(new Shape(shape), DataType.FLOAT32, scope -> scope.create(values, new Shape(shape)));
    }

    /**
     * Writes what {@code tuned} has that {@code base} has not, of the best that a LoRA can have.
     *
     * @param targets as {@link LoraSettings} has them
     * @return the least share of the squares of singular values that a module has kept
     * @throws TrainerException InvalidConfiguration if they are of two families, or equal
     */
    public static double extract(Path base, Path tuned, List<String> targets, Ranks ranks, Path out, NDManager manager)
            throws IOException {
        List<AdapterModule> modules = new ArrayList<>();
        double least = 1;
        try (StableDiffusion first = StableDiffusion.open(base, manager);
                StableDiffusion second = StableDiffusion.open(tuned, manager);
                UNet outline = first.outline(manager);
                UNet other = second.outline(manager);
                StoredWeights before = StoredWeights.open(base);
                StoredWeights after = StoredWeights.open(tuned)) {
            if (first.family() != second.family() || !outline.projections().equals(other.projections())) {
                throw refused("%s must be a checkpoint of %s's family and sizes".formatted(tuned, base));
            }
            List<Projection> all = AdapterFiles.projections(first, outline);
            for (LoraSettings.Chosen c : new LoraSettings(1, 1, targets).select(all)) {
                Projection p = c.projection();
                try (NDManager scope = manager.newSubManager()) {
                    NDArray frozen = Patches.read(Patches.place(before, p), p, scope);
                    NDArray change =
                            Patches.read(Patches.place(after, p), p, scope).sub(frozen);
                    if (change.abs().max().getFloat()
                            <= rounding(Patches.place(before, p), Patches.place(after, p))
                                    * frozen.abs().max().getFloat()) {
                        continue;
                    }
                    SingularProduct product = SingularProduct.of(change, ranks, scope);
                    least = Math.min(least, product.kept());
                    modules.add(module(
                            p.component(),
                            p.modulePath(),
                            product,
                            p.downShape(1).getShape(),
                            p.upShape(1).getShape()));
                }
            }
            if (modules.isEmpty()) {
                throw refused("%s must have other weights than %s in %s, but has none".formatted(tuned, base, targets));
            }
            Exports.write(
                    out,
                    modules,
                    Map.of(),
                    LoraFamily.valueOf(first.family().name()),
                    new UNetStateDictAdapter(outline.config()),
                    Map.of());
        }
        return least;
    }
}
