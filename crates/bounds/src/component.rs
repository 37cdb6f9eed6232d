//! A component, and the module before all others that holds the count of steps.

use anyhow::{Result, anyhow, ensure};
use wasm_encoder::{
    Component, ConstExpr, CustomSection, ExportKind, ExportSection, GlobalSection, GlobalType,
    InstanceSection, Module, ModuleArg, ModuleSection, ValType,
    reencode::{Error, Reencode, ReencodeComponent, component_utils},
};
use wasmparser::{Instance, InstantiationArgKind, Parser};

use crate::{Bounds, SECTION, module};

/// What the module that counts is imported as, and what its count is called.
pub const COUNTER: &str = "spinvote-bounds";
pub const STEPS: &str = "steps";

/// The global that is counted down.
pub const STEPS_TYPE: GlobalType = GlobalType {
    val_type: ValType::I64,
    mutable: true,
    shared: false,
};

pub fn bound(policy: &[u8], bounds: Bounds) -> Result<Vec<u8>> {
    let mut component = Component::new();
    // The first module and the first instance: so all others have one number more.
    component.section(&ModuleSection(&counter(bounds)));
    let mut instances = InstanceSection::new();
    instances.instantiate::<_, &str>(0, []);
    component.section(&instances);

    let mut bounder = Bounder {
        bounds,
        depth: 0,
        checks: 0,
    };
    bounder
        .parse_component(&mut component, Parser::new(0), policy)
        .map_err(|error| match error {
            Error::UserError(error) => error,
            error => anyhow!("{error}"),
        })?;
    ensure!(
        bounder.checks == 1,
        "it has no function, or several, whose name ends in `#check`: it was made by a tool that names \
         functions otherwise than wit-component does"
    );
    component.section(&CustomSection {
        name: SECTION.into(),
        data: format!("{bounds:?}").into_bytes().into(),
    });
    Ok(component.finish())
}

/// The module that holds the count.
fn counter(bounds: Bounds) -> Module {
    let mut module = Module::new();
    let mut globals = GlobalSection::new();
    globals.global(
        STEPS_TYPE,
        &ConstExpr::i64_const(bounds.steps.cast_signed()),
    );
    module.section(&globals);
    let mut exports = ExportSection::new();
    exports.export(STEPS, ExportKind::Global, 0);
    module.section(&exports);
    module
}

struct Bounder {
    bounds: Bounds,
    /// Of the component that is read in those around it.
    depth: u32,
    /// The functions by which the policy is called.
    checks: u32,
}

impl Reencode for Bounder {
    type Error = anyhow::Error;
}

impl ReencodeComponent for Bounder {
    fn push_depth(&mut self) {
        self.depth += 1;
    }

    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    fn module_index(&mut self, module: u32) -> u32 {
        module + u32::from(self.depth == 0)
    }

    fn instance_index(&mut self, instance: u32) -> u32 {
        instance + u32::from(self.depth == 0)
    }

    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        parser: Parser,
        module: &[u8],
    ) -> Result<(), Error<Self::Error>> {
        if self.depth > 0 {
            let error = anyhow!(
                "it is composed of several components: give each of them bounds, then compose"
            );
            return Err(Error::UserError(error));
        }
        let module = module::bound(parser, module, self.bounds, &mut self.checks)?;
        component.section(&ModuleSection(&module));
        Ok(())
    }

    fn parse_instance(
        &mut self,
        instances: &mut InstanceSection,
        instance: Instance<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let Instance::Instantiate { module_index, args } = instance else {
            return component_utils::parse_instance(self, instances, instance);
        };
        let mut imports = vec![(COUNTER, ModuleArg::Instance(0))];
        for argument in &args {
            let InstantiationArgKind::Instance = argument.kind;
            let instance = self.instance_index(argument.index);
            imports.push((argument.name, ModuleArg::Instance(instance)));
        }
        instances.instantiate(self.module_index(module_index), imports);
        Ok(())
    }
}
