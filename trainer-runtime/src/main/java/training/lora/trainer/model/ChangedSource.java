package training.lora.trainer.model;

import ai.djl.ndarray.NDManager;
import java.util.Map;
import training.lora.api.ModelFamily;
import training.lora.trainer.model.basemodel.ModelSource;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.text.Tokenizer;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.PartSource;
import training.lora.trainer.model.weights.WeightChanges;

/** A base model some of whose weights are others than its files hold. */
record ChangedSource(ModelSource source, Map<Part, WeightChanges> changes) implements ModelSource {
    @Override
    public ModelFamily family() {
        return source.family();
    }

    @Override
    public Config scheduler() {
        return source.scheduler();
    }

    @Override
    public Tokenizer tokenizer(Part encoder) {
        return source.tokenizer(encoder);
    }

    @Override
    public PartSource part(Part part) {
        PartSource own = source.part(part);
        WeightChanges with = changes.get(part);
        return with == null ? own : new ChangedPart(own, with);
    }

    private record ChangedPart(PartSource own, WeightChanges with) implements PartSource {
        @Override
        public Config config() {
            return own.config();
        }

        @Override
        public void check(ParameterSet weights) {
            own.check(weights);
        }

        @Override
        public void load(ParameterSet weights, NDManager manager) {
            weights.change(with);
            own.load(weights, manager);
        }
    }
}
