package training.lora.trainer.merge;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import training.lora.api.AdapterFormat;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.Dora;
import training.lora.trainer.adapter.LoraAdapter.Factors;
import training.lora.trainer.export.AdapterFile;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.export.BakedModules;
import training.lora.trainer.export.Exports;
import training.lora.trainer.export.LoraFamily;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.basemodel.StoredWeights;
import training.lora.trainer.model.basemodel.UNetStateDictAdapter;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.unet.UNet;

/** DoRAs of files as full differences of a base model's weights: {@link AdapterFormat#A1111Baked}. */
public final class BakedFile {
    private BakedFile() {}

    /**
     * Writes what {@code adapter} adds to the weights of {@code base}, and the embeddings that it bundles, to {@code out}.
     *
     * @param withoutTokens whether these embeddings are left out
     * @throws TrainerException InvalidConfiguration if it is no DoRA, or of another family than the base model
     */
    public static void write(Path adapter, Path base, boolean withoutTokens, Path out, NDManager manager)
            throws IOException {
        try (StableDiffusion model = StableDiffusion.open(base, manager);
                UNet outline = model.outline(manager);
                AdapterFile opened = AdapterFiles.open(adapter, model, outline);
                StoredWeights weights = StoredWeights.open(base)) {
            AdapterFile file = withoutTokens ? opened.withoutTokens() : opened;
            requireDora(file);
            List<Projection> all = AdapterFiles.projections(model, outline);
            Map<String, Factors> factors = AdapterFiles.factors(file, all);
            List<AdapterModule> modules = new ArrayList<>();
            for (Projection p : all) {
                Factors own = factors.get(p.path());
                if (own != null) {
                    modules.add(BakedModules.of(
                            p,
                            own,
                            (projection, scope) ->
                                    Patches.read(Patches.place(weights, projection), projection, scope)));
                }
            }
            Map<String, String> said = new TreeMap<>(file.metadata());
            said.remove("lora_adapter_metadata");
            said.put("ss_output_name", out.getFileName().toString().replaceFirst("\\.safetensors$", ""));
            Exports.write(
                    out,
                    modules,
                    file.tokens(),
                    LoraFamily.valueOf(model.family().name()),
                    new UNetStateDictAdapter(outline.config()),
                    said);
        }
    }

    private static void requireDora(AdapterFile file) {
        boolean dora = file.modules().stream().anyMatch(m -> m.form().kind() instanceof Dora);
        if (!dora) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "%s must be a DoRA where --to is A1111Baked, for AUTOMATIC1111 reads others in the form of Kohya, but is %s"
                            .formatted(file.file(), file.what()));
        }
    }
}
