package training.lora.local;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

@AnalyzeClasses(packages = "training.lora", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
    @ArchTest
    static final ArchRule NO_CYCLES =
            slices().matching("training.lora.local.(*)..").should().beFreeOfCycles();

    @ArchTest
    static final ArchRule OPERATOR_AND_TRAINER_ARE_COMMANDS = noClasses()
            .that()
            .resideInAPackage("training.lora.local..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("training.lora.operator..", "training.lora.trainer..");

    @ArchTest
    static final ArchRule CONTROLLERS_KNOW_THE_API_SERVER_BY_ITS_CLIENT = noClasses()
            .that()
            .resideInAnyPackage("training.lora.local.controller", "training.lora.local.kubelet")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("training.lora.local.apiserver");
}
